"""MeshFaultInjection's declaration. References are checked; rules on its confs come together with its effect."""

from __future__ import annotations

from collections.abc import Iterator

from ursa.errors import Violation
from ursa.model.kind import Kind, PolicyTraits
from ursa.model.resource import Resource
from ursa.policies.core.attachment import CLIENTS, Attachment, any_conf, check_items
from ursa.policies.core.declare import policy_kind
from ursa.policies.core.target_ref import MESH, MESH_GATEWAY
from ursa.policies.core.warnings import client_warnings

_ATTACHMENT = Attachment(system_top=(MESH_GATEWAY,))


def kind() -> Kind:
    """Declares MeshFaultInjection."""
    return policy_kind(
        "MeshFaultInjection",
        short="mfi",
        path="meshfaultinjections",
        title="Mesh Fault Injection",
        titles="Mesh Fault Injections",
        traits=PolicyTraits(has_to=True, has_from=True, has_rules=True),
        validate=lambda resource: tuple(_violations(resource)),
        warnings=client_warnings,
        effect_built=False,
    )


def _violations(resource: Resource) -> Iterator[Violation]:
    yield from _ATTACHMENT.check(resource)
    yield from check_items(resource, "from", CLIENTS, any_conf)
    yield from check_items(resource, "to", (MESH,), any_conf)
