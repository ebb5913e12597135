"""What would have nowhere to go if a zone got no traffic from others any more. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kds.absence import read_absences
from kds.drains import read_drains
from kds.relay import zone_of
from ursa.model.dataplane import parse_dataplane
from ursa.model.mesh import parse_mesh
from ursa.model.zone_proxy import parse_zone_ingress
from ursa.view.view import View


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


def stranded_without(view: View, zone: str) -> list[Stranded]:
    """The services that others reach in this zone and could not reach anywhere else.

    Zones that are disabled, dead or on their way out themselves do not count as somewhere else. A zone without a
    usable ingress serves its own clients only.
    """
    offered = _offered(view)
    leaving = _leaving(view) | {zone}
    meshes = {resource.name for resource in view.list("Mesh") if parse_mesh(resource).mtls}
    clients = {mesh: {zone_of(one) for one in view.list("Dataplane", mesh)} - {zone} for mesh in meshes}
    found = []
    for (mesh, service), zones in sorted(offered.items()):
        # Without mTLS nothing leaves its zone, so nothing comes in either.
        if zone not in zones or mesh not in meshes:
            continue
        at_home, elsewhere = set(_serving(view, mesh, service)) - {zone}, zones - leaving
        missing = sorted(one for one in clients[mesh] - at_home if not elsewhere - {one})
        if missing or not elsewhere | at_home:
            found.append(Stranded(mesh, service, tuple(missing)))
    return found


def _offered(view: View) -> dict[tuple[str, str], set[str]]:
    """Zones by the services that others reach through their ingresses."""
    found: dict[tuple[str, str], set[str]] = {}
    for resource in view.list("ZoneIngress"):
        ingress = parse_zone_ingress(resource)
        for one in ingress.available if ingress.reachable else ():
            if one.instances > 0:
                found.setdefault((one.mesh, one.service), set()).add(zone_of(resource))
    return found


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
