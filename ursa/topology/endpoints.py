"""Endpoints of a service as one zone's proxies reach them, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ursa.ir.cluster import Endpoint
from ursa.ir.plan import Reach
from ursa.model.dataplane import Dataplane, Inbound
from ursa.model.labels import PROTOCOL_TAG, ZONE_TAG
from ursa.model.mesh import Mesh
from ursa.model.zone_proxy import WHOLE, ZoneEgress
from ursa.topology.destinations import without_service
from ursa.topology.external_services import ExternalService
from ursa.topology.ingresses import RemoteInstances
from ursa.topology.protocols import common_protocol, parse_protocol


@dataclass(frozen=True, slots=True)
class ServiceEndpoints:
    """A service in a mesh as seen from one zone.

    Attributes:
        mesh: endpoints of a sidecar, local ones first.
        local: endpoints of an ingress.
        remote: endpoints of an egress.
        protocol: what all endpoints of a sidecar speak.
    """

    mesh: tuple[Endpoint, ...] = ()
    local: tuple[Endpoint, ...] = ()
    remote: tuple[Endpoint, ...] = ()
    protocol: str = ""

    def within(self, reach: Reach, tags: Iterable[tuple[str, str]] = ()) -> tuple[Endpoint, ...]:
        """The endpoints in reach that have all these tags."""
        endpoints = {Reach.LOCAL: self.local, Reach.REMOTE: self.remote}.get(reach, self.mesh)
        wanted = tuple(tags)
        if not wanted:
            return endpoints
        return tuple(e for e in endpoints if all(e.tags.get(key) == value for key, value in wanted))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the endpoints of every service of a mesh depend on.

    Attributes:
        mesh: the mesh.
        zone: the zone of the proxies that will use the endpoints.
        coordinates: number of distinct addresses of other zones' ingresses; the weight of a local instance. Those of a
            drained zone count on, so that its traffic goes to all others in proportion to what they have.
        egresses: the local zone egresses, used instead of ingresses when the mesh routes through them.
    """

    mesh: Mesh
    zone: str
    coordinates: int = 0
    egresses: tuple[ZoneEgress, ...] = ()


def service_endpoints(
    service: str,
    around: Surroundings,
    dataplanes: Iterable[Dataplane],
    remote: Sequence[RemoteInstances],
    external: Sequence[ExternalService] = (),
) -> ServiceEndpoints:
    """Finds the endpoints of a tag service (`spec/xds.md` §4.1).

    Args:
        service: value of `kuma.io/service`.
        around: mesh and zone.
        dataplanes: the local proxies of the service.
        remote: what other zones' ingresses offer of it.
        external: servers outside of the mesh that are known as this service; egresses lead to them.
    """
    mesh = around.mesh
    reachable = remote if mesh.mtls else ()
    scale = _scale(reachable)
    weight = scale * max(1, around.coordinates) if mesh.mtls else scale
    healthy = [
        (inbound, dataplane)
        for dataplane in dataplanes
        for inbound in dataplane.inbounds
        if inbound.service == service and inbound.healthy
    ]
    near = tuple(_endpoint(inbound, dataplane, weight, around) for inbound, dataplane in healthy)
    far = tuple(_remote(reachable, around, scale))
    beside, outside = (
        tuple(located(e.address, e.port, each, dict(one.tags), around) for one in external for e in around.egresses)
        for each in (1, scale)
    )
    # What is drained still says what the service speaks: clusters must not change because endpoints go.
    protocols = [parse_protocol(e.tags.get(PROTOCOL_TAG, "")) for e in (*near, *far)]
    protocols += [one.protocol for one in external]
    within = near if weight == 1 else tuple(_endpoint(i, d, 1, around) for i, d in healthy)
    return ServiceEndpoints(
        mesh=(*near, *_weighty(far), *outside),
        local=(*within, *beside),
        remote=_weighty(_behind_ingress(group, around, scale, {"mesh": mesh.name}) for group in reachable),
        protocol=common_protocol(protocols),
    )


def _scale(groups: Sequence[RemoteInstances]) -> int:
    """By what weights are multiplied so that parts of them are whole numbers: 1 unless a zone is being drained."""
    return WHOLE if any(0 < group.share < WHOLE for group in groups) else 1


def _weighty(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """Those that get anything; Envoy refuses an endpoint without weight."""
    return tuple(endpoint for endpoint in endpoints if endpoint.weight)


def _endpoint(inbound: Inbound, dataplane: Dataplane, weight: int, around: Surroundings) -> Endpoint:
    address = dataplane.advertised_address or inbound.address
    return located(address, inbound.port, weight, inbound.tags, around)


def _remote(groups: Sequence[RemoteInstances], around: Surroundings, scale: int) -> Iterable[Endpoint]:
    if not around.mesh.zone_egress:
        yield from (_behind_ingress(group, around, scale, {}) for group in groups)
        return
    # An egress stands for all zones behind it: it keeps its weight as long as one of them does.
    most = max((group.share for group in groups), default=WHOLE) * scale // WHOLE
    for group in groups:
        for egress in around.egresses:
            weight = most if group.share else 0
            yield located(egress.address, egress.port, weight, group.service.tags, around, last=group.lapsed)


def _behind_ingress(group: RemoteInstances, around: Surroundings, scale: int, extra: Mapping[str, str]) -> Endpoint:
    tags = {**group.service.tags, **extra}
    weight = group.service.instances * group.share * scale // WHOLE
    return located(group.address, group.port, weight, tags, around, last=group.lapsed)


def located(
    address: str, port: int, weight: int, tags: Mapping[str, str], around: Surroundings, *, last: bool = False
) -> Endpoint:
    """An endpoint in the zone that its tags tell, farther away when that is another one."""
    there = tags.get(ZONE_TAG)
    farther = around.mesh.locality_aware and there is not None and there != around.zone
    return Endpoint(address, port, weight, without_service(tags), there, int(farther) + int(last), lapsed=last)
