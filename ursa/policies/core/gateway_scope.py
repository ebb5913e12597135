"""Lists of policies that configure sidecars by their inbounds and gateways by their routes, but not both at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.policies.core.attachment import ConfCheck, check_items, top_kind
from ursa.policies.core.checks import must_not_be_defined
from ursa.policies.core.target_ref import GATEWAY, MESH, MESH_GATEWAY, MESH_HTTP_ROUTE, MESH_SUBSET

_FROM = (
    "must not be defined when the scope includes a Gateway, select only proxyType Sidecar or select only gateways "
    "and use spec.to"
)


def includes_gateways(resource: Resource) -> bool:
    """Whether a policy's top-level reference selects builtin gateways, too."""
    kind = top_kind(resource)
    if kind in (MESH, MESH_SUBSET):
        types: Sequence[str] = (resource.spec.get("targetRef") or {}).get("proxyTypes") or (GATEWAY,)
        return GATEWAY in types
    return kind in (MESH_GATEWAY, MESH_HTTP_ROUTE)


def check_clients(resource: Resource, allowed: tuple[str, ...], check_conf: ConfCheck) -> Iterator[Violation]:
    """Checks `from`, which gateways do not have."""
    if resource.spec.get("from") and includes_gateways(resource):
        yield Violation("spec.from", _FROM)
    else:
        yield from check_items(resource, "from", allowed, check_conf)


def check_gateway_routes(resource: Resource, check_conf: ConfCheck) -> Iterator[Violation]:
    """Checks `to`, which is for gateways only and means all their routes."""
    if resource.spec.get("to") and not includes_gateways(resource):
        yield must_not_be_defined("spec.to")
    else:
        yield from check_items(resource, "to", (MESH,), check_conf)


def check_sidecar_rules(resource: Resource, check_conf: ConfCheck) -> Iterator[Violation]:
    """Checks `rules`, where they configure sidecars only."""
    rules: Sequence[JsonObject] = resource.spec.get("rules") or ()
    if rules and includes_gateways(resource):
        yield must_not_be_defined("spec.rules")
        return
    for index, rule in enumerate(rules):
        yield from check_conf(f"spec.rules[{index}].default", rule.get("default") or {})
