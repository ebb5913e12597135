"""MeshRateLimit's declaration. References are checked; rules on its confs come together with its effect."""

from __future__ import annotations

from collections.abc import Iterator

from ursa.errors import Violation
from ursa.model.kind import Kind, PolicyTraits
from ursa.model.resource import Resource
from ursa.policies.core.attachment import Attachment, any_conf, check_items
from ursa.policies.core.declare import policy_kind
from ursa.policies.core.target_ref import MESH, MESH_GATEWAY, MESH_HTTP_ROUTE
from ursa.policies.core.warnings import from_warnings

_ATTACHMENT = Attachment(system_top=(MESH_GATEWAY, MESH_HTTP_ROUTE))


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
        warnings=from_warnings,
        effect_built=False,
    )


def _violations(resource: Resource) -> Iterator[Violation]:
    yield from _ATTACHMENT.check(resource)
    yield from check_items(resource, "from", (MESH,), any_conf)
    yield from check_items(resource, "to", (MESH,), any_conf)
