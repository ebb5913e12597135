"""MeshAccessLog's declaration and rules of validation."""

from __future__ import annotations

from collections.abc import Iterator

from ursa.errors import Violation
from ursa.model.kind import Kind, PolicyTraits
from ursa.model.resource import Resource
from ursa.policies.core.attachment import PROXIES, Attachment, check_items, top_kind
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
from ursa.policies.mesh_access_log.validation import check_backends

_ATTACHMENT = Attachment(top=(*PROXIES, MESH_GATEWAY))
_DESTINATIONS = (MESH, MESH_SERVICE, MESH_EXTERNAL_SERVICE, MESH_MULTI_ZONE_SERVICE, MESH_HTTP_ROUTE)


def kind() -> Kind:
    """Declares MeshAccessLog."""
    return policy_kind(
        "MeshAccessLog",
        short="mal",
        path="meshaccesslogs",
        title="Mesh Access Log",
        titles="Mesh Access Logs",
        traits=PolicyTraits(has_to=True, has_from=True, has_rules=True, from_as_rules=True),
        validate=lambda resource: tuple(_violations(resource)),
        warnings=from_warnings,
    )


def _violations(resource: Resource) -> Iterator[Violation]:
    yield from _ATTACHMENT.check(resource)
    allowed = (MESH,) if top_kind(resource) == MESH_GATEWAY else _DESTINATIONS
    yield from check_inbound_lists(resource.spec)
    # Confs of `rules` are not looked at: Kuma takes one without backends, which logs nothing.
    yield from check_items(resource, "from", (MESH,), check_backends)
    yield from check_items(resource, "to", allowed, check_backends)
