"""A proxy as policies see it, gateways with the listeners of their MeshGateway."""

from __future__ import annotations

from ursa.model.labels import NAMESPACE, ZONE
from ursa.model.resource import Resource
from ursa.policies.core.subject import BUILTIN, Subject, dataplane_subject, gateway_listeners, pairs
from ursa.policies.legacy.gateways import gateway_of
from ursa.policies.legacy.matching import parse_connection_policy
from ursa.view.view import View


def subject_of(dataplane: Resource, view: View) -> Subject:
    """The subject of a Dataplane."""
    gateway = dataplane.spec.get("networking", {}).get("gateway") or {}
    if gateway.get("type") != BUILTIN:
        return dataplane_subject(dataplane)
    tags = gateway.get("tags", {})
    known = map(parse_connection_policy, view.list("MeshGateway", dataplane.mesh))
    chosen = gateway_of(known, tags)
    return dataplane_subject(dataplane, () if chosen is None else tuple(gateway_listeners(chosen.resource, tags)))


def gateway_subject(mesh_gateway: Resource) -> Subject:
    """The proxies of a MeshGateway, whichever they are: what its own selectors say of them."""
    selectors = mesh_gateway.spec.get("selectors") or [{}]
    tags = selectors[0].get("match", {})
    return Subject(
        mesh=mesh_gateway.mesh,
        name=mesh_gateway.display_name,
        labels=pairs(mesh_gateway.labels),
        zone=mesh_gateway.labels.get(ZONE, ""),
        namespace=mesh_gateway.labels.get(NAMESPACE, ""),
        gateway=BUILTIN,
        gateway_tags=pairs(tags),
        listeners=tuple(gateway_listeners(mesh_gateway, tags)),
    )
