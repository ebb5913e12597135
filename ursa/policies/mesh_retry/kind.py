"""MeshRetry's declaration and rules of validation."""

from __future__ import annotations

from collections.abc import Iterator

from ursa.errors import Violation
from ursa.model.duration import parse_go
from ursa.model.json import JsonObject
from ursa.model.kind import Kind, PolicyTraits
from ursa.model.resource import Resource
from ursa.policies.core.attachment import PROXIES, Attachment, check_items, top_kind
from ursa.policies.core.checks import must_be_defined, positive
from ursa.policies.core.declare import policy_kind
from ursa.policies.core.lists import check_destinations
from ursa.policies.core.target_ref import (
    MESH,
    MESH_EXTERNAL_SERVICE,
    MESH_GATEWAY,
    MESH_HTTP_ROUTE,
    MESH_MULTI_ZONE_SERVICE,
    MESH_SERVICE,
)
from ursa.policies.core.warnings import target_warnings
from ursa.policies.mesh_retry.conditions import is_known

_ATTACHMENT = Attachment(top=PROXIES, system_top=(MESH_GATEWAY, MESH_HTTP_ROUTE))
_DESTINATIONS = (MESH, MESH_SERVICE, MESH_EXTERNAL_SERVICE, MESH_MULTI_ZONE_SERVICE, MESH_HTTP_ROUTE)
_DESTINATIONS_OF_GATEWAYS = (MESH, MESH_EXTERNAL_SERVICE)

_GRPC_FIELDS = ("retryOn", "numRetries", "perTryTimeout", "backOff", "rateLimitedBackOff")
_HTTP_FIELDS = (*_GRPC_FIELDS, "retriableResponseHeaders", "retriableRequestHeaders", "hostSelection")


def kind() -> Kind:
    """Declares MeshRetry."""
    return policy_kind(
        "MeshRetry",
        short="mr",
        path="meshretries",
        title="Mesh Retry",
        titles="Mesh Retries",
        traits=PolicyTraits(has_to=True),
        validate=lambda resource: tuple(_violations(resource)),
        warnings=target_warnings,
    )


def _violations(resource: Resource) -> Iterator[Violation]:
    yield from _ATTACHMENT.check(resource)
    yield from check_destinations(resource.spec)
    on_gateway = top_kind(resource) in (MESH_GATEWAY, MESH_HTTP_ROUTE)
    yield from check_items(resource, "to", _DESTINATIONS_OF_GATEWAYS if on_gateway else _DESTINATIONS, _check_conf)


def _check_conf(field: str, conf: JsonObject) -> Iterator[Violation]:
    field = f"{field}.conf"
    tcp, http, grpc = conf.get("tcp"), conf.get("http"), conf.get("grpc")
    if tcp is None and http is None and grpc is None:
        yield Violation(field, "at least one of the 'tcp', 'http', 'grpc' must be specified")
    if tcp is not None:
        yield from _check_section(f"{field}.tcp", tcp, ("maxConnectAttempt",))
        yield from positive(f"{field}.tcp.maxConnectAttempt", tcp.get("maxConnectAttempt"))
    if http is not None:
        yield from _check_section(f"{field}.http", http, _HTTP_FIELDS)
        yield from _check_backoffs(f"{field}.http", http)
        yield from _check_conditions(f"{field}.http.retryOn", http.get("retryOn") or ())
        yield from _check_hosts(f"{field}.http.hostSelection", http.get("hostSelection") or ())
    if grpc is not None:
        yield from _check_section(f"{field}.grpc", grpc, _GRPC_FIELDS)
        yield from _check_backoffs(f"{field}.grpc", grpc)


def _check_section(field: str, section: JsonObject, names: tuple[str, ...]) -> Iterator[Violation]:
    if not any(name in section for name in names):
        yield Violation(field, "must not be empty")


def _check_backoffs(field: str, section: JsonObject) -> Iterator[Violation]:
    if "backOff" in section:
        yield from _check_section(f"{field}.backOff", section["backOff"], ("baseInterval", "maxInterval"))
    limited = section.get("rateLimitedBackOff")
    if limited is None:
        return
    if parse_go(limited.get("maxInterval", "0s")) <= 0:
        yield Violation(f"{field}.rateLimitedBackOff.maxInterval", "must be defined and greater than zero")
    if not limited.get("resetHeaders"):
        yield must_be_defined(f"{field}.rateLimitedBackOff.resetHeaders")


def _check_conditions(field: str, conditions: list[str] | tuple[()]) -> Iterator[Violation]:
    for index, condition in enumerate(conditions):
        if not is_known(condition):
            yield Violation(f"{field}[{index}]", f"unknown item '{condition}'")


def _check_hosts(field: str, predicates: list[JsonObject] | tuple[()]) -> Iterator[Violation]:
    seen = False
    for index, predicate in enumerate(predicates):
        name = predicate.get("predicate")
        if name == "OmitHostsWithTags" and not predicate.get("tags"):
            yield must_be_defined(f"{field}[{index}].tags")
        if name == "OmitPreviousPriorities":
            if seen:
                yield Violation(f"{field}[{index}].predicate", "OmitPreviousPriorities must only be specified once")
            seen = True
