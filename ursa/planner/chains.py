"""Which SNIs lead where on zone ingresses and egresses, mesh by mesh."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ursa.ir.plan import Reach
from ursa.model.real_service import RealService
from ursa.model.zone_proxy import AvailableService
from ursa.planner import names
from ursa.planner.inputs import PassedDestination
from ursa.planner.requested import Requested
from ursa.topology.destinations import sni_of_service, sni_of_tags, without_service
from ursa.topology.endpoints import ServiceEndpoints

Endpoints = Callable[[str], ServiceEndpoints]


def local_destinations(
    requested: Requested, available: Iterable[AvailableService], endpoints: Endpoints
) -> Iterator[PassedDestination]:
    """The tag services that an ingress offers, with every way in which other zones may ask for them.

    Args:
        requested: what is asked for in the mesh.
        available: the services.
        endpoints: of each.
    """
    mesh = requested.mesh
    for service, offers in _by_service(available):
        found = endpoints(service)
        snis = tuple((sni_of_tags(tags, mesh), _dividing(tags, found)) for tags in requested.of(service, offers))
        if snis:
            yield PassedDestination(names.zone_proxy_cluster(mesh, service), service, snis)


def remote_destinations(requested: Requested, available: Iterable[AvailableService]) -> Iterator[PassedDestination]:
    """The services of other zones to which an egress leads, in a mesh that routes through egresses."""
    mesh = requested.mesh
    for service, offers in _by_service(available):
        snis = tuple(
            (sni_of_tags(tags, mesh), tuple(without_service(tags).items())) for tags in requested.of(service, offers)
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


def by_mesh(available: Iterable[AvailableService]) -> Mapping[str, Sequence[AvailableService]]:
    """Offered services by mesh."""
    found: dict[str, list[AvailableService]] = {}
    for service in available:
        found.setdefault(service.mesh, []).append(service)
    return found


def _by_service(available: Iterable[AvailableService]) -> list[tuple[str, list[Mapping[str, str]]]]:
    """The tags of what is offered of every service, sorted by service."""
    found: dict[str, list[Mapping[str, str]]] = {}
    for one in available:
        found.setdefault(one.service, []).append(one.tags)
    return sorted(found.items())


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
