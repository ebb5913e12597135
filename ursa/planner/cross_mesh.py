"""Gateways that clients of other meshes may enter: those whose MeshGateway has listeners with `crossMesh`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ursa.ir.cluster import Endpoint
from ursa.model.dataplane import Dataplane, parse_dataplane
from ursa.model.labels import SERVICE_TAG, ZONE_TAG
from ursa.planner.gateway_forms import GatewayIndex
from ursa.topology.destinations import without_service
from ursa.topology.endpoints import ServiceEndpoints
from ursa.view.view import Touched, View

ServiceKey = tuple[str, str]

NOTHING = ServiceEndpoints()


class CrossMeshIndex:
    """The entrances of every mesh in this zone, by mesh and service of the gateway."""

    def __init__(self, gateways: GatewayIndex) -> None:
        self._gateways = gateways
        self._known: dict[str, dict[str, ServiceEndpoints]] = {}

    def of(self, mesh: str, service: str) -> ServiceEndpoints:
        """The entrances that are gateways of a service."""
        return self._known.get(mesh, {}).get(service, NOTHING)

    def update(self, view: View, touched: Touched, meshes: Iterable[str]) -> set[ServiceKey]:
        """Takes over a step of the view; `meshes` are those of which MeshGateways changed. Returns what differs now."""
        changed: set[ServiceKey] = set()
        for mesh in {*meshes, *_with_other_gateways(touched)}:
            before, after = self._known.pop(mesh, {}), self._entrances(view, mesh)
            if after:
                self._known[mesh] = after
            changed |= {(mesh, name) for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        return changed

    def _entrances(self, view: View, mesh: str) -> dict[str, ServiceEndpoints]:
        found: dict[str, list[Endpoint]] = {}
        for dataplane in map(parse_dataplane, view.list("Dataplane", mesh)):
            if dataplane.builtin_gateway:
                found.setdefault(dataplane.identifying_service, []).extend(self._listeners(dataplane))
        return {service: ServiceEndpoints(tuple(endpoints)) for service, endpoints in found.items() if endpoints}

    def _listeners(self, dataplane: Dataplane) -> Iterator[Endpoint]:
        (tags,) = dataplane.tag_sets
        form = self._gateways.of(dataplane.mesh, tags)
        for listener in () if form is None else form.listeners:
            if listener.cross_mesh:
                every = {**tags, **dict(listener.tags), SERVICE_TAG: dataplane.identifying_service}
                zone = every.get(ZONE_TAG)
                yield Endpoint(dataplane.reachable_at, listener.port, 1, without_service(every), zone)


def _with_other_gateways(touched: Touched) -> Iterator[str]:
    """Meshes in which a builtin gateway came, went or changed."""
    for key, change in touched.changes.items():
        if key.kind == "Dataplane":
            versions = (one for one in (change.before, change.after) if one is not None)
            if any(parse_dataplane(one).builtin_gateway for one in versions):
                yield key.mesh
