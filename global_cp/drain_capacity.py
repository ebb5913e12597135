"""What would have nowhere to go if a zone got no traffic from others any more. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kds.absence import read_absences
from kds.drains import read_drains
from kds.relay import zone_of
from ursa.model.dataplane import parse_dataplane
from ursa.model.json import JsonObject
from ursa.model.mesh import Mesh, parse_mesh
from ursa.model.resource import Resource
from ursa.model.zone_proxy import parse_zone_ingress
from ursa.view.view import View

AVAILABLE = "Available"


@dataclass(frozen=True, slots=True)
class Stranded:
    """A service that only the zone can serve, and the zones whose clients would miss it; none if it has no clients."""

    mesh: str
    service: str
    clients: tuple[str, ...]

    @property
    def reason(self) -> str:
        """Why it cannot go."""
        for_whom = f" for clients in {', '.join(self.clients)}" if self.clients else ""
        return f"no healthy endpoint in another zone{for_whom}"


@dataclass(frozen=True, slots=True)
class _Places:
    """Where a service of a mesh is healthy.

    Attributes:
        at_home: zones whose own clients have it there.
        across: zones where the clients of others get it.
    """

    service: str
    at_home: frozenset[str]
    across: frozenset[str]


def stranded_without(view: View, zone: str) -> list[Stranded]:
    """The services that others reach in this zone and could not reach anywhere else.

    Zones that are disabled, dead or on their way out themselves do not count as somewhere else. A zone without a
    usable ingress serves its own clients only. Where a mesh has real services alone, those in the zone can be
    replaced by what a MeshMultiZoneService joins them with.
    """
    leaving, found = _leaving(view) | {zone}, []
    for mesh in map(parse_mesh, view.list("Mesh")):
        clients = {zone_of(one) for one in view.list("Dataplane", mesh.name)} - {zone}
        for places in _real(view, mesh, zone) if mesh.exclusive else _tagged(view, mesh, zone):
            at_home, elsewhere = places.at_home - {zone}, places.across - leaving
            missing = sorted(one for one in clients - at_home if not elsewhere - {one})
            if missing or not elsewhere | at_home:
                found.append(Stranded(mesh.name, places.service, tuple(missing)))
    return sorted(found, key=lambda one: (one.mesh, one.service))


def _tagged(view: View, mesh: Mesh, zone: str) -> Iterator[_Places]:
    """Services by tag that the zone offers to others; without mTLS nothing comes in from there."""
    offered: dict[str, set[str]] = {}
    for resource in view.list("ZoneIngress") if mesh.mtls else ():
        ingress = parse_zone_ingress(resource)
        for one in ingress.available if ingress.reachable else ():
            if one.mesh == mesh.name and one.instances > 0:
                offered.setdefault(one.service, set()).add(zone_of(resource))
    for service, zones in offered.items():
        if zone in zones:
            yield _Places(service, frozenset(_serving(view, mesh.name, service)), frozenset(zones))


def _real(view: View, mesh: Mesh, zone: str) -> Iterator[_Places]:
    """MeshServices of the zone, each with those that take its place in MeshMultiZoneServices."""
    entered = {zone_of(one) for one in view.list("ZoneIngress") if parse_zone_ingress(one).reachable}
    if zone not in entered or not (mesh.mtls or view.bucket("MeshIdentity", mesh.name)):
        return
    services = [one for one in view.list("MeshService", mesh.name) if one.spec.get("state") == AVAILABLE]
    selectors = [_labels(one) for one in view.list("MeshMultiZoneService", mesh.name)]
    for service in services:
        if zone_of(service) != zone:
            continue
        joining = [labels for labels in selectors if labels.items() <= service.labels.items()]
        places = {zone_of(one) for one in services if any(labels.items() <= one.labels.items() for labels in joining)}
        yield _Places(service.display_name, frozenset(places), frozenset(places & entered))


def _labels(service: Resource) -> JsonObject:
    """The labels by which a MeshMultiZoneService selects."""
    labels: JsonObject = service.spec.get("selector", {}).get("meshService", {}).get("matchLabels", {})
    return labels


def _leaving(view: View) -> set[str]:
    """Zones on which nobody should count."""
    absences = read_absences(view)
    disabled = {zone.name for zone in view.list("Zone") if zone.spec.get("enabled") is False}
    drained = {zone for zone, drain in read_drains(view).items() if drain.target == 0}
    return disabled | drained | absences.lapsed | absences.ejected


def _serving(view: View, mesh: str, service: str) -> Iterator[str]:
    """Zones that have a healthy instance, for their own clients at least."""
    for resource in view.serving(mesh, service).values():
        if any(one.service == service and one.healthy for one in parse_dataplane(resource).inbounds):
            yield zone_of(resource)
