"""Every rule of kinds that are no targetRef policies: breaking one names its field and its reason, and no other."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.model.broken_dataplanes import DATAPLANE, proxy
from tests.unit.model.broken_legacy import LEGACY, checked, connected, external, fault, modified, named
from tests.unit.model.broken_resources import AUTOMATIC, RESOURCES, backed, filtered, gateway, identified, listener
from ursa.errors import InvalidResource
from ursa.model.forms import from_rest
from ursa.model.kind import Registry
from ursa.model.registry import default_kinds

REGISTRY = Registry(default_kinds())
TABLES = {**LEGACY, **RESOURCES, "Dataplane": DATAPLANE}


def found_in(kind: str, document: dict[str, Any]) -> list[tuple[str, str]]:
    """What is wrong with a document of this kind."""
    mesh = {} if REGISTRY[kind].global_scope else {"mesh": "default"}
    try:
        resource = from_rest({"type": kind, "name": "x", **mesh, **document}, REGISTRY)
    except InvalidResource as error:
        return [(violation.field, violation.reason) for violation in error.violations]
    return [(violation.field, violation.reason) for violation in REGISTRY[kind].validate(resource)]


@pytest.mark.parametrize(
    ("kind", "document", "field", "reason"),
    [
        pytest.param(kind, document, field, reason, id=f"{kind}-{field}-{index}")
        for kind, table in TABLES.items()
        for index, (document, field, reason) in enumerate(table)
    ],
)
def test_breaking_one_rule_names_field_and_reason(kind: str, document: Any, field: str, reason: str) -> None:
    assert found_in(kind, document) == [(field, reason)]


VALID = [
    ("FaultInjection", fault(abort={"percentage": 0, "httpStatus": 100})),
    ("RateLimit", connected({})),
    ("CircuitBreaker", connected({"detectors": {"totalErrors": {}}})),
    ("CircuitBreaker", connected({"interval": "5s", "thresholds": {"maxConnections": 0}})),
    ("Retry", connected({"tcp": {"maxConnectAttempts": 1}})),
    ("Timeout", connected({"connectTimeout": "0s"})),
    ("HealthCheck", checked(tcp={"send": "Zm9v"})),
    (
        "VirtualOutbound",
        named(host="{{.s}}.{{.v}}.mesh", parameters=[{"name": "s", "tagKey": "kuma.io/service"}, {"name": "v"}]),
    ),
    ("ProxyTemplate", {"conf": {"imports": ["default-proxy"]}}),
    ("ProxyTemplate", modified("virtualHost", operation="add", match={"origin": "a"}, value="name: a\ndomains: [a]")),
    ("ExternalService", external("[::1]:80", {"enabled": True, "caCert": {"inlineString": "a"}})),
    ("MeshGateway", gateway(listener(), listener(hostname="a.com"), listener(hostname="*.a.com"))),
    ("MeshGatewayRoute", filtered({"redirect": {"statusCode": 301}}, backends=[])),
    ("MeshGatewayRoute", filtered({"requestHeader": {"set": [{"name": "host", "value": "a"}]}})),
    ("Mesh", backed("tracing", {"url": "http://zipkin:9411/api/v2/spans"}, "zipkin")),
    ("Mesh", backed("logging", {"address": "logs:5000"}, "tcp")),
    ("MeshIdentity", identified(AUTOMATIC, spiffeID={"path": "/ns/{{ .Namespace }}"})),
    ("Dataplane", proxy()),
]


@pytest.mark.parametrize(("kind", "document"), VALID)
def test_what_keeps_the_rules_is_accepted(kind: str, document: Any) -> None:
    assert found_in(kind, document) == []


@pytest.mark.parametrize(
    ("kind", "document", "warned"),
    [
        ("RateLimit", connected({"http": {"requests": 1, "interval": "0.049s"}}), True),
        ("RateLimit", connected({"http": {"requests": 1, "interval": "0.050s"}}), False),
        ("FaultInjection", fault(responseBandwidth={"percentage": 1, "limit": "xkbpsx"}), True),
        ("FaultInjection", fault(responseBandwidth={"percentage": 1, "limit": "5 mbps"}), False),
    ],
)
def test_what_only_kuma_accepts_is_warned_of(kind: str, document: Any, warned: bool) -> None:
    resource = from_rest({"type": kind, "name": "x", "mesh": "default", **document}, REGISTRY)
    assert list(REGISTRY[kind].validate(resource)) == []
    assert any("'conf." in warning for warning in REGISTRY[kind].warnings(resource)) == warned


def test_the_origin_of_a_trust_has_another_place_now() -> None:
    spec = {"trustDomain": "a", "caBundles": [{"type": "Pem", "pem": {"value": "a"}}]}
    for extra, count in (({}, 0), ({"origin": {"kri": "a"}}, 1)):
        document = {"type": "MeshTrust", "name": "x", "mesh": "default", "spec": {**spec, **extra}}
        assert len(REGISTRY["MeshTrust"].warnings(from_rest(document, REGISTRY))) == count


def test_defaults_of_metrics_can_be_written_back() -> None:
    kind = REGISTRY["Mesh"]
    for conf in ({}, {"skipMTLS": True}):
        spec = from_rest({"type": "Mesh", "name": "m", **backed("metrics", conf, "prometheus")}, REGISTRY).spec
        assert found_in("Mesh", dict(kind.fill_defaults(spec))) == []
