"""MeshTCPRoute's declaration and rules of validation."""

from __future__ import annotations

from collections.abc import Iterator

from ursa.errors import Violation
from ursa.model.kind import ItemConf, Kind, PolicyTraits
from ursa.model.resource import Resource
from ursa.policies.core.attachment import Attachment, any_conf, check_items, top_kind
from ursa.policies.core.backend_refs import check_backend_refs
from ursa.policies.core.checks import must_be_defined
from ursa.policies.core.declare import policy_kind
from ursa.policies.core.target_ref import (
    MESH,
    MESH_EXTERNAL_SERVICE,
    MESH_GATEWAY,
    MESH_MULTI_ZONE_SERVICE,
    MESH_SERVICE,
)
from ursa.policies.core.warnings import target_warnings

_ATTACHMENT = Attachment(system_top=(MESH_GATEWAY,))
_DESTINATIONS = (MESH_SERVICE, MESH_EXTERNAL_SERVICE, MESH_MULTI_ZONE_SERVICE)


def kind() -> Kind:
    """Declares MeshTCPRoute."""
    return policy_kind(
        "MeshTCPRoute",
        short="mtcpr",
        path="meshtcproutes",
        title="Mesh TCP Route",
        titles="Mesh TCP Routes",
        traits=PolicyTraits(has_to=True, item_conf=ItemConf.ONE_RULE),
        validate=lambda resource: tuple(_violations(resource)),
        warnings=target_warnings,
    )


def _violations(resource: Resource) -> Iterator[Violation]:
    yield from _ATTACHMENT.check(resource)
    allowed = (MESH,) if top_kind(resource) == MESH_GATEWAY else _DESTINATIONS
    yield from check_items(resource, "to", allowed, any_conf)
    for index, item in enumerate(resource.spec.get("to") or ()):
        for place, rule in enumerate(item["rules"]):
            field = f"spec.to[{index}].rules[{place}].default"
            if "backendRefs" not in rule["default"]:
                yield must_be_defined(f"{field}.backendRefs")
            yield from check_backend_refs(field, rule["default"])
