"""Every rule of the targetRef policies: a spec that breaks it, the field that is named, and the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.unit.policies.broken import (
    GATEWAY,
    MESH,
    PREFIX,
    RATE,
    ROUTE,
    SERVICE,
    SIDECARS,
    TABLES,
    default,
    filtered,
    hashed,
    http,
    logged,
    passed,
    patched,
    rules,
    to,
    traced,
)
from tests.unit.policies.broken_common import COMMON_TABLES
from ursa.errors import InvalidResource
from ursa.model.forms import from_rest
from ursa.model.kind import Registry
from ursa.policies.catalog import policy_kinds

REGISTRY = Registry(policy_kinds())
Found = list[tuple[str, str]]


def found_in(kind: str, spec: Mapping[str, Any], **labels: str) -> Found:
    """What is wrong with a policy of this spec."""
    document = {"type": kind, "mesh": "default", "name": "p", "spec": spec, "labels": labels}
    try:
        resource = from_rest(document, REGISTRY)
    except InvalidResource as error:
        return [(violation.field, violation.reason) for violation in error.violations]
    return [(violation.field, violation.reason) for violation in REGISTRY[kind].validate(resource)]


def warned_of(kind: str, spec: Mapping[str, Any]) -> list[str]:
    """What the answer to a write of this policy warns of."""
    document = {"type": kind, "mesh": "default", "name": "p", "spec": spec}
    return list(REGISTRY[kind].warnings(from_rest(document, REGISTRY)))


LISTS = [
    ("MeshTimeout", to({"idleTimeout": "1s"}, MESH, top={"kind": "Dataplane", "sectionName": "x"})),
    ("MeshTrace", default({"backends": []}, {"kind": "Dataplane", "sectionName": "x"})),
]


@pytest.mark.parametrize(
    ("kind", "spec", "field", "reason"),
    [
        pytest.param(kind, spec, field, reason, id=f"{kind}-{field}-{index}")
        for kind, table in {**TABLES, **COMMON_TABLES}.items()
        for index, (spec, field, reason) in enumerate(table)
    ],
)
def test_breaking_one_rule_names_field_and_reason(kind: str, spec: Any, field: str, reason: str) -> None:
    assert found_in(kind, spec) == [(field, reason)]


@pytest.mark.parametrize(("kind", "spec"), LISTS)
def test_sections_of_dataplanes_are_for_inbounds_only(kind: str, spec: Any) -> None:
    assert ("spec.targetRef.sectionName", "can only be used with inbound policies") in found_in(kind, spec)


VALID = [
    ("MeshRateLimit", rules({"local": {"http": {"requestRate": {"interval": "51ms", "num": 1}}}})),
    ("MeshRateLimit", to({"local": {"tcp": {"connectionRate": RATE}}}, top=ROUTE)),
    ("MeshFaultInjection", rules({"http": [{"responseBandwidth": {"limit": "50 Mbps", "percentage": "12.5"}}]})),
    ("MeshHealthCheck", to({"http": {"path": "/h", "expectedStatuses": [100, 599]}, "eventLogPath": "/tmp/x"})),
    ("MeshHTTPRoute", filtered({"type": "RequestMirror", "requestMirror": {"backendRef": SERVICE, "percentage": 101}})),
    ("MeshHTTPRoute", http({"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "default": {}})),
    (
        "MeshHTTPRoute",
        http(
            {"matches": PREFIX, "default": {"filters": [{"type": "RequestRedirect", "requestRedirect": {}}]}},
            MESH,
            GATEWAY,
        ),
    ),
    ("MeshLoadBalancingStrategy", to({"loadBalancer": {"type": "Random"}}, MESH, top=GATEWAY)),
    ("MeshLoadBalancingStrategy", to({"localityAwareness": {"disabled": True}}, SERVICE, top=GATEWAY)),
    ("MeshLoadBalancingStrategy", hashed({"type": "SourceIP"})),
    ("MeshAccessLog", to({"backends": []})),
    ("MeshAccessLog", logged("Tcp", {"address": "1.1.1.1:1"})),
    ("MeshAccessLog", logged("File", {"path": "/dev/stdout", "format": {"type": "Plain", "plain": "%REQ(:METHOD)%"}})),
    ("MeshTrace", traced("http://127.0.0.1:8126")),
    ("MeshTrace", default({"backends": [{"type": "Zipkin", "zipkin": {"url": "http://z:9411/api/v2/spans"}}]})),
    ("MeshMetric", default({"backends": [{"type": "OpenTelemetry", "openTelemetry": {"endpoint": "otel:4317"}}]})),
    ("MeshProxyPatch", patched("cluster", operation="Patch", value="connectTimeout: 5s")),
    ("MeshProxyPatch", patched("httpFilter", operation="AddFirst", value="name: x")),
    ("MeshTLS", rules({"tlsVersion": {"min": "TLS13"}}, MESH)),
    ("MeshPassthrough", passed(type="Domain", value="*.a.com", protocol="tls")),
    (
        "MeshPassthrough",
        default(
            {
                "appendMatch": [
                    {"type": "Domain", "value": "a.com", "protocol": "tls", "port": 443},
                    {"type": "Domain", "value": "a.com", "protocol": "http", "port": 80},
                    {"type": "CIDR", "value": "fe80::/10", "port": 443},
                ]
            }
        ),
    ),
]


@pytest.mark.parametrize(("kind", "spec"), VALID)
def test_what_keeps_the_rules_is_accepted(kind: str, spec: Any) -> None:
    assert found_in(kind, spec) == []


WARNED = [
    (
        "MeshRateLimit",
        rules({"local": {"http": {"requestRate": RATE, "onRateLimit": {"status": 399}}}}),
        "'spec.rules[0].default.local.http.requestRate.status' must be 400 or higher. "
        "Please update your configuration.",
    ),
    ("MeshHealthCheck", to({"tcp": {}, "healthyPanicThreshold": 1}), "healthyPanicThreshold"),
    (
        "MeshLoadBalancingStrategy",
        to({"loadBalancer": {"type": "RingHash", "ringHash": {"hashPolicies": [{"type": "SourceIP"}]}}}),
        "'spec.to[0].default.loadBalancer.ringHash.hashPolicies' is deprecated",
    ),
    ("MeshLoadBalancingStrategy", hashed({"type": "SourceIP"}), "SourceIP"),
    (
        "MeshTLS",
        {"from": [{"targetRef": MESH, "default": {"mode": "Strict"}}]},
        "'from' field is deprecated, use 'rules' instead",
    ),
    (
        "MeshFaultInjection",
        {"targetRef": SIDECARS, "from": [{"targetRef": SERVICE, "default": {"http": []}}]},
        "MeshService value for 'from[].targetRef.kind' is deprecated, use MeshSubset with 'kuma.io/service' instead",
    ),
]


@pytest.mark.parametrize(("kind", "spec", "warning"), WARNED)
def test_deprecated_spellings_are_warned_of(kind: str, spec: Any, warning: str) -> None:
    assert any(warning in found for found in warned_of(kind, spec))


def test_a_new_prefix_that_swallows_a_slash_is_warned_of() -> None:
    def replaced(new: str, target: Any = SERVICE, top: Any = MESH) -> list[str]:
        path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": new}
        change = {"type": "URLRewrite", "urlRewrite": {"path": path}}
        return warned_of("MeshHTTPRoute", http({"matches": PREFIX, "default": {"filters": [change]}}, target, top))

    (warning,) = replaced("/new")
    field = "spec.to[0].rules[0].default.filters[0].urlRewrite.path.replacePrefixMatch"
    assert field in warning and "use '/new/'" in warning
    assert replaced("/new/") == replaced("/") == replaced("/new", MESH, GATEWAY) == []
