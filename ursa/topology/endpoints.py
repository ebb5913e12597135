"""Endpoints of a service as one zone's proxies reach them, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ursa.ir.cluster import Endpoint
from ursa.model.dataplane import Dataplane, Inbound
from ursa.model.labels import ZONE_TAG
from ursa.model.mesh import Mesh
from ursa.model.zone_proxy import ZoneEgress
from ursa.topology.destinations import without_service
from ursa.topology.ingresses import RemoteInstances
from ursa.topology.protocols import common_protocol, parse_protocol


@dataclass(frozen=True, slots=True)
class ServiceEndpoints:
    """A service in a mesh as seen from one zone.

    Attributes:
        endpoints: all of them, local ones first.
        protocol: what all of them speak.
        local: whether this zone has instances.
    """

    endpoints: tuple[Endpoint, ...] = ()
    protocol: str = ""
    local: bool = False

    def having(self, tags: Iterable[tuple[str, str]]) -> tuple[Endpoint, ...]:
        """The endpoints with all these tags."""
        wanted = tuple(tags)
        if not wanted:
            return self.endpoints
        return tuple(e for e in self.endpoints if all(e.tags.get(key) == value for key, value in wanted))


def service_endpoints(
    service: str,
    mesh: Mesh,
    zone: str,
    dataplanes: Iterable[Dataplane],
    remote: Sequence[RemoteInstances],
    coordinates: int,
    egresses: Sequence[ZoneEgress],
) -> ServiceEndpoints:
    """Finds the endpoints of a tag service (`spec/xds.md` §4.1).

    Args:
        service: value of `kuma.io/service`.
        mesh: its mesh.
        zone: the zone of the proxies that will use them.
        dataplanes: the local proxies of the service.
        remote: what other zones' ingresses offer of it.
        coordinates: number of distinct addresses of other zones' ingresses; the weight of a local instance.
        egresses: the local zone egresses, used instead of ingresses when the mesh routes through them.
    """
    weight = max(1, coordinates) if mesh.mtls else 1
    local = [
        _endpoint(inbound, dataplane, weight, mesh, zone)
        for dataplane in dataplanes
        for inbound in dataplane.inbounds
        if inbound.service == service and inbound.healthy
    ]
    far: list[Endpoint] = []
    if mesh.mtls:
        for group in remote:
            far.extend(_remote(group, mesh, zone, egresses))
    protocols = [parse_protocol(e.tags.get("kuma.io/protocol", "")) for e in (*local, *far)]
    return ServiceEndpoints((*local, *far), common_protocol(protocols), bool(local))


def _endpoint(inbound: Inbound, dataplane: Dataplane, weight: int, mesh: Mesh, zone: str) -> Endpoint:
    address = dataplane.advertised_address or inbound.address
    return _located(address, inbound.port, weight, inbound.tags, mesh, zone)


def _remote(group: RemoteInstances, mesh: Mesh, zone: str, egresses: Sequence[ZoneEgress]) -> Iterable[Endpoint]:
    tags = group.service.tags
    if not mesh.zone_egress:
        yield _located(group.address, group.port, group.service.instances, tags, mesh, zone)
        return
    for egress in egresses:
        yield _located(egress.address, egress.port, 1, tags, mesh, zone)


def _located(address: str, port: int, weight: int, tags: Mapping[str, str], mesh: Mesh, zone: str) -> Endpoint:
    there = tags.get(ZONE_TAG)
    priority = 1 if mesh.locality_aware and there is not None and there != zone else 0
    return Endpoint(address, port, weight, without_service(tags), there, priority)
