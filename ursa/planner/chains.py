"""Which SNIs lead where on zone ingresses and egresses, mesh by mesh."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ursa.ir import origins
from ursa.ir.plan import Reach
from ursa.model.json import JsonObject
from ursa.model.labels import SERVICE_TAG
from ursa.model.real_service import MESH_EXTERNAL_SERVICE, RealService
from ursa.model.zone_proxy import AvailableService
from ursa.planner import names
from ursa.planner.inputs import ChainDestination, MeshShare, Settings
from ursa.planner.meshes import MeshState
from ursa.policies.legacy.traffic_route import KIND as TRAFFIC_ROUTE
from ursa.topology.destinations import sni_of_service, sni_of_tags, without_service
from ursa.topology.endpoints import ServiceEndpoints

Endpoints = Callable[[str], ServiceEndpoints]

ANY_SERVICE = "*"


def ingress_share(
    state: MeshState,
    settings: Settings,
    available: Iterable[AvailableService],
    real: Iterable[RealService],
    endpoints: Endpoints,
    *,
    unified: bool,
) -> MeshShare | None:
    """What a mesh contributes to an ingress: a chain for every way in which other zones may ask for its services.

    Args:
        state: the mesh.
        settings: the control plane's.
        available: the tag services that the ingress offers.
        real: the real services that have instances in this zone.
        endpoints: those of tag services.
        unified: whether real services are named by their identifiers.
    """
    mesh = state.mesh.name
    found: dict[str, ChainDestination] = {}
    for service in sorted({one.service for one in available}):
        for tags in destinations(state, service):
            sni = sni_of_tags(tags, mesh)
            dividing = _dividing(tags, endpoints(service))
            found.setdefault(sni, ChainDestination(sni, names.zone_proxy_cluster(mesh, service), service, dividing))
    for destination in _real_destinations(real, settings, unified=unified):
        found.setdefault(destination.sni, destination)
    if not found:
        return None
    return MeshShare(settings, state.mesh, origins.INGRESS, Reach.LOCAL, tuple(found.values()))


def remote_destinations(state: MeshState, available: Iterable[AvailableService]) -> tuple[ChainDestination, ...]:
    """The services of other zones to which an egress leads, in a mesh that routes through egresses."""
    mesh = state.mesh.name
    found: dict[str, ChainDestination] = {}
    for service in sorted({one.service for one in available}):
        for tags in destinations(state, service):
            sni, pairs = sni_of_tags(tags, mesh), tuple(without_service(tags).items())
            found.setdefault(sni, ChainDestination(sni, names.zone_proxy_cluster(mesh, service), service, pairs))
    return tuple(found.values())


def destinations(state: MeshState, service: str) -> list[Mapping[str, str]]:
    """Every tag set by which clients may ask for a service, in order of the SNIs."""
    tag_sets = {
        tuple(sorted({**tags, SERVICE_TAG: service}.items()))
        for tags in _requested(state)
        if tags.get(SERVICE_TAG) in (service, ANY_SERVICE)
    }
    return sorted((dict(tags) for tags in tag_sets), key=lambda tags: sni_of_tags(tags, state.mesh.name))


def by_mesh(available: Iterable[AvailableService]) -> Mapping[str, Sequence[AvailableService]]:
    """Offered services by mesh."""
    found: dict[str, list[AvailableService]] = {}
    for service in available:
        found.setdefault(service.mesh, []).append(service)
    return found


def _real_destinations(real: Iterable[RealService], settings: Settings, *, unified: bool) -> Iterator[ChainDestination]:
    """Every port of MeshServices and MeshMultiZoneServices, in order of the old scheme's names."""
    ports = {
        service.legacy_name(port.number): (service, port)
        for service in real
        if service.kind != MESH_EXTERNAL_SERVICE
        for port in service.ports
    }
    for name, (service, port) in sorted(ports.items()):
        sni = sni_of_service(service, port.number, system_namespace=settings.system_namespace)
        cluster = service.kri(port.section) if unified else name
        yield ChainDestination(sni, cluster, service.endpoints(port.number))


def _requested(state: MeshState) -> Iterator[Mapping[str, str]]:
    """Tag sets that routes of the mesh send to; any service by its name when there are no TrafficRoutes."""
    routes = state.legacy.get(TRAFFIC_ROUTE, ())
    if not routes:
        yield {SERVICE_TAG: ANY_SERVICE}
    for route in routes:
        conf: JsonObject = route.resource.spec.get("conf", {})
        for part in (conf, *conf.get("http", ())):
            if "destination" in part:
                yield part["destination"]
            yield from (split.get("destination", {}) for split in part.get("split", ()))


def _dividing(tags: Mapping[str, str], endpoints: ServiceEndpoints) -> tuple[tuple[str, str], ...]:
    """Those of the tags that not all addresses of the service have: only they need a subset."""
    addresses = {(e.address, e.port) for e in endpoints.local}
    dividing = []
    for pair in without_service(tags).items():
        having = {(e.address, e.port) for e in endpoints.within(Reach.LOCAL, (pair,))}
        if len(having) < len(addresses):
            dividing.append(pair)
    return tuple(dividing)
