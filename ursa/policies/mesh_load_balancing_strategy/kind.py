"""MeshLoadBalancingStrategy's declaration. References are checked; rules on its confs come together with its effect."""

from __future__ import annotations

from collections.abc import Iterator

from ursa.errors import Violation
from ursa.model.kind import Kind, PolicyTraits
from ursa.model.resource import Resource
from ursa.policies.core.attachment import PROXIES, Attachment, any_conf, check_items
from ursa.policies.core.declare import policy_kind
from ursa.policies.core.target_ref import MESH, MESH_GATEWAY, MESH_HTTP_ROUTE, MESH_MULTI_ZONE_SERVICE, MESH_SERVICE
from ursa.policies.core.warnings import target_warnings

_ATTACHMENT = Attachment(top=(*PROXIES, MESH_GATEWAY))


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
        warnings=target_warnings,
        effect_built=False,
    )


def _violations(resource: Resource) -> Iterator[Violation]:
    yield from _ATTACHMENT.check(resource)
    yield from check_items(resource, "to", (MESH, MESH_SERVICE, MESH_MULTI_ZONE_SERVICE, MESH_HTTP_ROUTE), any_conf)
