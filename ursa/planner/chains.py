"""Which SNIs lead where on zone ingresses and egresses, mesh by mesh."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ursa.ir.plan import Reach
from ursa.model.json import JsonObject
from ursa.model.labels import SERVICE_TAG
from ursa.model.real_service import RealService
from ursa.model.zone_proxy import AvailableService
from ursa.planner import names
from ursa.planner.inputs import PassedDestination
from ursa.planner.meshes import MeshState
from ursa.policies.legacy.traffic_route import KIND as TRAFFIC_ROUTE
from ursa.topology.destinations import sni_of_service, sni_of_tags, without_service
from ursa.topology.endpoints import ServiceEndpoints

Endpoints = Callable[[str], ServiceEndpoints]

ANY_SERVICE = "*"


def local_destinations(
    state: MeshState, available: Iterable[AvailableService], endpoints: Endpoints
) -> Iterator[PassedDestination]:
    """The tag services that an ingress offers, with every way in which other zones may ask for them.

    Args:
        state: the mesh.
        available: the services.
        endpoints: of each.
    """
    mesh = state.mesh.name
    for service in sorted({one.service for one in available}):
        found = endpoints(service)
        snis = tuple((sni_of_tags(tags, mesh), _dividing(tags, found)) for tags in destinations(state, service))
        if snis:
            yield PassedDestination(names.zone_proxy_cluster(mesh, service), service, snis)


def remote_destinations(state: MeshState, available: Iterable[AvailableService]) -> Iterator[PassedDestination]:
    """The services of other zones to which an egress leads, in a mesh that routes through egresses."""
    mesh = state.mesh.name
    for service in sorted({one.service for one in available}):
        snis = tuple(
            (sni_of_tags(tags, mesh), tuple(without_service(tags).items())) for tags in destinations(state, service)
        )
        if snis:
            yield PassedDestination(names.zone_proxy_cluster(mesh, service), service, snis)


def real_destinations(service: RealService, *, unified: bool, system_namespace: str) -> tuple[PassedDestination, ...]:
    """The ports of a MeshService or MeshMultiZoneService.

    Args:
        service: the service.
        unified: whether it is named by its identifier.
        system_namespace: that of the control plane, empty outside of Kubernetes.
    """
    return tuple(
        PassedDestination(
            service.kri(port.section) if unified else service.legacy_name(port.number),
            service.endpoints(port.number),
            ((sni_of_service(service, port.number, system_namespace=system_namespace), ()),),
        )
        for port in service.ports
    )


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
    narrowing = without_service(tags)
    if not narrowing:
        return ()
    addresses = {(e.address, e.port) for e in endpoints.local}
    dividing = []
    for pair in narrowing.items():
        having = {(e.address, e.port) for e in endpoints.within(Reach.LOCAL, (pair,))}
        if len(having) < len(addresses):
            dividing.append(pair)
    return tuple(dividing)
