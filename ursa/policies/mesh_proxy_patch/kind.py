"""MeshProxyPatch's declaration and rules of validation."""

from __future__ import annotations

from collections.abc import Iterator

from ursa.errors import Violation
from ursa.model.kind import Kind, PolicyTraits
from ursa.model.resource import Resource
from ursa.policies.core.attachment import Attachment
from ursa.policies.core.declare import policy_kind
from ursa.policies.core.target_ref import MESH_GATEWAY
from ursa.policies.core.warnings import target_warnings
from ursa.policies.mesh_proxy_patch.validation import check_modifications

_ATTACHMENT = Attachment(system_top=(MESH_GATEWAY,), gateway_tags=False)


def kind() -> Kind:
    """Declares MeshProxyPatch."""
    return policy_kind(
        "MeshProxyPatch",
        short="mpp",
        path="meshproxypatches",
        title="Mesh Proxy Patch",
        titles="Mesh Proxy Patches",
        traits=PolicyTraits(),
        validate=lambda resource: tuple(_violations(resource)),
        warnings=target_warnings,
    )


def _violations(resource: Resource) -> Iterator[Violation]:
    yield from _ATTACHMENT.check(resource)
    yield from check_modifications("spec.default", resource.spec.get("default") or {})
