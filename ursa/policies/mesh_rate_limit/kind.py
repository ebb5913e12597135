"""MeshRateLimit's declaration and rules of validation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.kind import Kind, PolicyTraits
from ursa.model.resource import Resource
from ursa.policies.core.attachment import Attachment
from ursa.policies.core.checks import at_least_one_of, longer_than, must_be_defined, positive
from ursa.policies.core.declare import policy_kind
from ursa.policies.core.gateway_scope import check_clients, check_gateway_routes, check_sidecar_rules
from ursa.policies.core.target_ref import MESH, MESH_GATEWAY, MESH_HTTP_ROUTE
from ursa.policies.core.warnings import from_warnings

_ATTACHMENT = Attachment(system_top=(MESH_GATEWAY, MESH_HTTP_ROUTE))
_SHORTEST_INTERVAL = "50ms"
"""Envoy refuses to refill a bucket more often."""
_LOWEST_ERROR = 400
"""The first status that says that a client did something wrong."""


def kind() -> Kind:
    """Declares MeshRateLimit."""
    return policy_kind(
        "MeshRateLimit",
        short="mrl",
        path="meshratelimits",
        title="Mesh Rate Limit",
        titles="Mesh Rate Limits",
        traits=PolicyTraits(has_to=True, has_from=True, has_rules=True, from_as_rules=True),
        validate=lambda resource: tuple(_violations(resource)),
        warnings=lambda resource: (*from_warnings(resource), *_status_warnings(resource)),
    )


def _violations(resource: Resource) -> Iterator[Violation]:
    yield from _ATTACHMENT.check(resource)
    if resource.spec.get("rules") and (resource.spec.get("from") or resource.spec.get("to")):
        yield Violation("spec", "fields 'to' and 'from' must be empty when 'rules' is defined")
    yield from check_sidecar_rules(resource, _check_conf)
    yield from check_clients(resource, (MESH,), _check_conf)
    yield from check_gateway_routes(resource, _check_conf)


def _check_conf(field: str, conf: JsonObject) -> Iterator[Violation]:
    local, field = conf.get("local"), f"{field}.local"
    if local is None:
        yield must_be_defined(field)
        return
    yield from at_least_one_of(field, local, ("tcp", "http"))
    http, tcp = local.get("http"), local.get("tcp")
    if http is not None:
        yield from at_least_one_of(f"{field}.http", http, ("disabled", "requestRate", "onRateLimit"))
        yield from _check_rate(f"{field}.http.requestRate", http.get("requestRate"))
        yield from positive(f"{field}.http.onRateLimit.status", (http.get("onRateLimit") or {}).get("status"))
    if tcp is not None:
        yield from at_least_one_of(f"{field}.tcp", tcp, ("disabled", "connectionRate"))
        yield from _check_rate(f"{field}.tcp.connectionRate", tcp.get("connectionRate"))


def _check_rate(field: str, rate: JsonObject | None) -> Iterator[Violation]:
    if rate is not None:
        yield from positive(f"{field}.num", rate["num"])
        yield from longer_than(f"{field}.interval", rate["interval"], _SHORTEST_INTERVAL)


def _status_warnings(resource: Resource) -> Sequence[str]:
    return tuple(
        f"'spec.{name}[{index}].default.local.http.requestRate.status' must be 400 or higher. "
        "Please update your configuration."
        for name in ("rules", "from", "to")
        for index, item in enumerate(resource.spec.get(name) or ())
        if _status(item) < _LOWEST_ERROR
    )


def _status(item: JsonObject) -> int:
    conf: JsonObject = item.get("default") or {}
    for name in ("local", "http", "onRateLimit"):
        conf = conf.get(name) or {}
    return int(conf.get("status", _LOWEST_ERROR))
