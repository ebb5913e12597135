"""Which SNIs lead where on zone ingresses and egresses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from ursa.ir import origins
from ursa.ir.plan import Reach
from ursa.model.json import JsonObject
from ursa.model.labels import SERVICE_TAG
from ursa.model.zone_proxy import AvailableService, ZoneEgress, ZoneIngress
from ursa.planner.inputs import ChainDestination, ProxyFacts, ZoneProxyInputs
from ursa.planner.meshes import MeshState
from ursa.policies.legacy.traffic_route import KIND as TRAFFIC_ROUTE
from ursa.topology.destinations import sni_of_tags, without_service
from ursa.topology.endpoints import ServiceEndpoints

Meshes = Mapping[str, MeshState]
Services = Callable[[str, str], ServiceEndpoints]

ANY_SERVICE = "*"


def ingress_inputs(
    ingress: ZoneIngress, facts: ProxyFacts, zone: str, meshes: Meshes, services: Services
) -> ZoneProxyInputs:
    """Inputs of an ingress: a chain for every way other zones may ask for its services."""
    found: dict[str, ChainDestination] = {}
    for service in _distinct(ingress.available):
        state = meshes.get(service.mesh)
        if state is None:
            continue
        for tags in _destinations(state, service.service):
            sni = sni_of_tags(tags, service.mesh)
            endpoints = services(service.mesh, service.service)
            dividing = _dividing(tags, endpoints)
            found.setdefault(sni, ChainDestination(service.mesh, service.service, sni, dividing))
    return ZoneProxyInputs(
        facts,
        ingress.address,
        ingress.port,
        zone,
        ingress.name,
        origins.INGRESS,
        Reach.LOCAL,
        tuple(found.values()),
    )


def egress_inputs(
    egress: ZoneEgress, facts: ProxyFacts, zone: str, meshes: Meshes, ingresses: Iterable[ZoneIngress]
) -> ZoneProxyInputs:
    """Inputs of an egress: chains for the services of other zones, of meshes that route through egresses."""
    found: dict[str, ChainDestination] = {}
    available = [s for ingress in ingresses if ingress.zone not in ("", zone) for s in ingress.available]
    for service in _distinct(available):
        state = meshes.get(service.mesh)
        if state is None or not state.mesh.mtls or not state.mesh.zone_egress:
            continue
        for tags in _destinations(state, service.service):
            sni = sni_of_tags(tags, service.mesh)
            pairs = tuple(without_service(tags).items())
            found.setdefault(sni, ChainDestination(service.mesh, service.service, sni, pairs))
    return ZoneProxyInputs(
        facts, egress.address, egress.port, zone, egress.name, origins.EGRESS, Reach.REMOTE, tuple(found.values())
    )


def _distinct(available: Iterable[AvailableService]) -> list[AvailableService]:
    """One entry per mesh and service, by mesh and in order of appearance."""
    first: dict[tuple[str, str], AvailableService] = {}
    for service in available:
        first.setdefault((service.mesh, service.service), service)
    return sorted(first.values(), key=lambda s: (s.mesh, s.service))


def _destinations(state: MeshState, service: str) -> list[Mapping[str, str]]:
    """Every tag set by which clients may ask for a service, in order of the SNIs."""
    tag_sets = {
        tuple(sorted({**tags, SERVICE_TAG: service}.items()))
        for tags in _requested(state)
        if tags.get(SERVICE_TAG) in (service, ANY_SERVICE)
    }
    return sorted((dict(tags) for tags in tag_sets), key=lambda tags: sni_of_tags(tags, state.mesh.name))


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
