"""MeshTimeout's declaration and rules of validation."""

from __future__ import annotations

from collections.abc import Iterator

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.kind import Kind, PolicyTraits
from ursa.model.resource import Resource
from ursa.policies.core.attachment import PROXIES, Attachment, check_items, top_kind
from ursa.policies.core.checks import non_negative_duration, positive_duration
from ursa.policies.core.declare import policy_kind
from ursa.policies.core.lists import check_inbound_lists
from ursa.policies.core.target_ref import (
    MESH,
    MESH_EXTERNAL_SERVICE,
    MESH_GATEWAY,
    MESH_HTTP_ROUTE,
    MESH_MULTI_ZONE_SERVICE,
    MESH_SERVICE,
)
from ursa.policies.core.warnings import from_warnings

_ATTACHMENT = Attachment(top=PROXIES, system_top=(MESH_GATEWAY, MESH_HTTP_ROUTE))
_NO_INBOUNDS = (MESH_GATEWAY, MESH_HTTP_ROUTE)
_DESTINATIONS = (MESH, MESH_SERVICE, MESH_EXTERNAL_SERVICE, MESH_MULTI_ZONE_SERVICE, MESH_HTTP_ROUTE)
_DESTINATIONS_OF_GATEWAYS = (MESH, MESH_EXTERNAL_SERVICE)

_HTTP_FIELDS = ("requestTimeout", "streamIdleTimeout", "maxStreamDuration", "maxConnectionDuration")
_NOT_ON_ROUTES = (
    ("connectionTimeout",),
    ("idleTimeout",),
    ("http", "maxStreamDuration"),
    ("http", "maxConnectionDuration"),
)


def kind() -> Kind:
    """Declares MeshTimeout."""
    return policy_kind(
        "MeshTimeout",
        short="mt",
        path="meshtimeouts",
        title="Mesh Timeout",
        titles="Mesh Timeouts",
        traits=PolicyTraits(has_to=True, has_from=True, has_rules=True, from_as_rules=True),
        validate=lambda resource: tuple(_violations(resource)),
        warnings=from_warnings,
    )


def _violations(resource: Resource) -> Iterator[Violation]:
    spec, top = resource.spec, top_kind(resource)
    yield from _ATTACHMENT.check(resource)
    yield from check_inbound_lists(spec)
    if spec.get("from") and top in _NO_INBOUNDS:
        yield Violation("spec.from", "must not be defined")
    else:
        yield from check_items(resource, "from", (MESH,), _check_conf)
    for index, rule in enumerate(spec.get("rules") or ()):
        yield from _check_conf(f"spec.rules[{index}].default", rule.get("default") or {})
    check = _check_route_conf if top == MESH_HTTP_ROUTE else _check_conf
    allowed = _DESTINATIONS_OF_GATEWAYS if top in _NO_INBOUNDS else _DESTINATIONS
    yield from check_items(resource, "to", allowed, check)


def _check_conf(field: str, conf: JsonObject) -> Iterator[Violation]:
    if not conf:
        yield Violation(field, "at least one timeout should be configured")
    yield from positive_duration(f"{field}.connectionTimeout", conf.get("connectionTimeout"))
    yield from non_negative_duration(f"{field}.idleTimeout", conf.get("idleTimeout"))
    http = conf.get("http")
    if http is None:
        return
    if not any(name in http for name in _HTTP_FIELDS):
        yield Violation(f"{field}.http", "at least one timeout in this section should be configured")
    for name in (*_HTTP_FIELDS, "requestHeadersTimeout"):
        yield from non_negative_duration(f"{field}.http.{name}", http.get(name))


def _check_route_conf(field: str, conf: JsonObject) -> Iterator[Violation]:
    """Connections and streams are shared by all routes, so a route cannot have its own timeouts for them."""
    yield from _check_conf(field, conf)
    for path in _NOT_ON_ROUTES:
        section = conf if len(path) == 1 else conf.get(path[0]) or {}
        if path[-1] in section:
            reason = "can't be specified when top-level TargetRef is referencing MeshHTTPRoute"
            yield Violation(".".join((field, *path)), reason)
