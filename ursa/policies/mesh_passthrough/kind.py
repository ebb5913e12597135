"""MeshPassthrough's declaration and rules of validation."""

from __future__ import annotations

from collections.abc import Iterator

from ursa.errors import Violation
from ursa.model.kind import Kind, PolicyTraits
from ursa.model.resource import Resource
from ursa.policies.core.attachment import Attachment
from ursa.policies.core.declare import policy_kind
from ursa.policies.core.target_ref import DATAPLANE, MESH, MESH_SUBSET
from ursa.policies.core.warnings import target_warnings
from ursa.policies.mesh_passthrough.validation import check_matches

_ATTACHMENT = Attachment(top=(MESH, MESH_SUBSET, DATAPLANE))


def kind() -> Kind:
    """Declares MeshPassthrough."""
    return policy_kind(
        "MeshPassthrough",
        short="mp",
        path="meshpassthroughs",
        title="Mesh Passthrough",
        titles="Mesh Passthroughs",
        traits=PolicyTraits(),
        validate=lambda resource: tuple(_violations(resource)),
        warnings=target_warnings,
    )


def _violations(resource: Resource) -> Iterator[Violation]:
    yield from _ATTACHMENT.check(resource)
    yield from check_matches("spec.default", resource.spec.get("default") or {})
