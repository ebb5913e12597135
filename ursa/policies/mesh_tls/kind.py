"""MeshTLS's declaration. References are checked; rules on its confs come together with its effect."""

from __future__ import annotations

from collections.abc import Iterator

from ursa.errors import Violation
from ursa.model.kind import Kind, PolicyTraits
from ursa.model.resource import Resource
from ursa.policies.core.attachment import Attachment, any_conf, check_items
from ursa.policies.core.declare import policy_kind
from ursa.policies.core.target_ref import DATAPLANE, MESH, MESH_SUBSET
from ursa.policies.core.warnings import from_warnings

_ATTACHMENT = Attachment(top=(MESH, MESH_SUBSET, DATAPLANE))


def kind() -> Kind:
    """Declares MeshTLS."""
    return policy_kind(
        "MeshTLS",
        short="mtls",
        path="meshtlses",
        title="Mesh TLS",
        titles="Mesh TLSes",
        traits=PolicyTraits(has_from=True, has_rules=True, from_as_rules=True),
        validate=lambda resource: tuple(_violations(resource)),
        warnings=from_warnings,
        effect_built=False,
    )


def _violations(resource: Resource) -> Iterator[Violation]:
    yield from _ATTACHMENT.check(resource)
    yield from check_items(resource, "from", (MESH,), any_conf)
