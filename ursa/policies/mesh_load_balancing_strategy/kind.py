"""MeshLoadBalancingStrategy's declaration and rules of validation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.kind import Kind, PolicyTraits
from ursa.model.resource import Resource
from ursa.policies.core.attachment import PROXIES, Attachment, check_target_ref, top_kind
from ursa.policies.core.declare import policy_kind
from ursa.policies.core.lists import check_destinations
from ursa.policies.core.target_ref import MESH, MESH_GATEWAY, MESH_HTTP_ROUTE, MESH_MULTI_ZONE_SERVICE, MESH_SERVICE
from ursa.policies.core.warnings import target_warnings
from ursa.policies.mesh_load_balancing_strategy.validation import check_destination, hash_policies

_ATTACHMENT = Attachment(top=(*PROXIES, MESH_GATEWAY))
_DESTINATIONS = (MESH, MESH_SERVICE, MESH_MULTI_ZONE_SERVICE, MESH_HTTP_ROUTE)


def kind() -> Kind:
    """Declares MeshLoadBalancingStrategy."""
    return policy_kind(
        "MeshLoadBalancingStrategy",
        short="mlbs",
        path="meshloadbalancingstrategies",
        title="Mesh Load Balancing Strategy",
        titles="Mesh Load Balancing Strategies",
        traits=PolicyTraits(has_to=True),
        validate=lambda resource: tuple(_violations(resource)),
        warnings=lambda resource: (*target_warnings(resource), *_hash_warnings(resource)),
    )


def _violations(resource: Resource) -> Iterator[Violation]:
    yield from _ATTACHMENT.check(resource)
    yield from check_destinations(resource.spec)
    on_gateway = top_kind(resource) == MESH_GATEWAY
    for index, item in enumerate(resource.spec.get("to") or ()):
        field = f"spec.to[{index}]"
        yield from _check_target(f"{field}.targetRef", item, on_gateway=on_gateway)
        yield from check_destination(field, item)


def _check_target(field: str, item: JsonObject, *, on_gateway: bool) -> Iterator[Violation]:
    """One balancer serves all destinations of a gateway's listener, so it cannot be set for one of them."""
    target = item.get("targetRef") or {}
    if on_gateway and "loadBalancer" in (item.get("default") or {}) and target.get("kind") != MESH:
        reason = f"value '{MESH_GATEWAY}' is not supported, only {MESH} is allowed if loadBalancer is set"
        yield Violation(f"{field}.kind", reason)
    else:
        yield from check_target_ref(field, target, _DESTINATIONS)


def _hash_warnings(resource: Resource) -> Sequence[str]:
    found = []
    for index, item in enumerate(resource.spec.get("to") or ()):
        for place, policies in hash_policies(item.get("default") or {}):
            field = f"spec.to[{index}].default.{place}"
            if place != "hashPolicies":
                found.append(f"'{field}' is deprecated, use 'hashPolicies' at the root of the conf instead")
            if any(policy["type"] == "SourceIP" for policy in policies):
                found.append(f"type SourceIP in '{field}' is deprecated, use Connection instead")
    return tuple(found)
