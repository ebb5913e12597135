"""Real services and the endpoints behind each of their ports, kept up to date service by service.

After a change only the services it can concern are looked at again, and what comes out equal stays the same object, so
whoever depends on it sees no change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from ursa.model.labels import PROTOCOL_TAG
from ursa.model.mesh import Mesh
from ursa.model.real_service import (
    MESH_EXTERNAL_SERVICE,
    MESH_MULTI_ZONE_SERVICE,
    MESH_SERVICE,
    SHORT,
    RealService,
    ServicePort,
    parse_real_service,
)
from ursa.model.resource import Resource, ResourceKey
from ursa.model.zone_proxy import ZoneEgress, ZoneIngress
from ursa.planner.local_instances import LocalInstances
from ursa.planner.services import NOTHING, ServiceChanges, ServiceIndex
from ursa.topology.endpoints import ServiceEndpoints
from ursa.topology.protocols import HTTP_LIKE, common_protocol, parse_protocol
from ursa.topology.services.reach import available, behind_egresses, behind_ingresses, by_shares, instances, members
from ursa.view.view import Touched, View

Place = tuple[str, str, str, str]
"""Mesh, display name, namespace and zone of a MeshService."""


@dataclass(frozen=True, slots=True)
class _Around:
    """What the endpoints of every real service of a mesh depend on.

    Attributes:
        across: whether instances of other zones can be reached.
        ingresses: those of other zones.
        egresses: those of this zone.
    """

    mesh: Mesh
    across: bool
    ingresses: tuple[ZoneIngress, ...]
    egresses: tuple[ZoneEgress, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """A service with the endpoints of its ports."""

    service: RealService
    available: bool
    ports: Mapping[str, ServiceEndpoints]


class RealServiceIndex:
    """All real services as seen from one zone."""

    def __init__(self, zone: str, tag_services: ServiceIndex) -> None:
        """Args: tag_services: knows the zone proxies."""
        self._zone, self._tag_services = zone, tag_services
        self._instances = LocalInstances(zone)
        self._known: dict[ResourceKey, _Known] = {}
        self._listed: dict[str, tuple[RealService, ...]] = {}
        self._around: dict[str, _Around] = {}
        self.has_egress = False
        """Whether this zone has an egress."""
        self._at: dict[Place, ResourceKey] = {}
        self._made_of: dict[ResourceKey, frozenset[Place]] = {}
        """The MeshServices of every MeshMultiZoneService."""

    def services(self, mesh: str) -> tuple[RealService, ...]:
        """All real services of a mesh, by kind and name."""
        return self._listed.get(mesh, ())

    def is_local(self, service: RealService) -> bool:
        """Whether a MeshService belongs to this zone."""
        return self._instances.of(service.key) is not None

    def of(self, mesh: str, endpoints: str) -> ServiceEndpoints:
        """The endpoints of a port, by its `RealService.endpoints`; of one that does not exist, none."""
        kind, _, rest = endpoints.partition("/")
        known = self._known.get(ResourceKey(kind, mesh, rest.rpartition(":")[0]))
        return NOTHING if known is None else known.ports.get(endpoints, NOTHING)

    def update(self, view: View, touched: Touched, meshes: Iterable[Mesh]) -> ServiceChanges:
        """Takes over a step of the view.

        Args:
            view: the newest view.
            touched: what changed since the last call.
            meshes: all meshes of the view.
        """
        changes = ServiceChanges()
        had_egress = self.has_egress
        dirty = self._instances.update(view, touched) | {key for key in touched.keys if key.kind in SHORT}
        for mesh in self._take_surroundings(view, meshes):
            dirty |= {ResourceKey(kind, mesh, name) for kind in SHORT for name in view.bucket(kind, mesh)}
            dirty |= {key for key in self._known if key.mesh == mesh}
        places = {self._refresh(view, key, changes) for key in dirty if key.kind == MESH_SERVICE}
        dirty |= {key for key, made_of in self._made_of.items() if not made_of.isdisjoint(places)}
        for key in dirty:
            if key.kind != MESH_SERVICE:
                self._refresh(view, key, changes)
        for mesh in changes.meshes:
            self._list(mesh)
        if self.has_egress is not had_egress:
            changes.meshes |= {key.mesh for key in self._known if key.kind == MESH_EXTERNAL_SERVICE}
        return changes

    def _refresh(self, view: View, key: ResourceKey, changes: ServiceChanges) -> Place | None:
        """Looks at one service again; returns its place if it is a MeshService."""
        resource, around = view.get(*key), self._around.get(key.mesh)
        before = self._known.pop(key, None)
        after = None if resource is None or around is None else self._look(resource, around)
        if after is not None and before is not None and after.service == before.service:
            after = replace(after, service=before.service)
        elif after is not before:
            changes.meshes.add(key.mesh)
        if after is not None:
            self._known[key] = after
        old, new = (known.ports if known is not None else {} for known in (before, after))
        changes.endpoints |= {(key.mesh, port) for port in old.keys() | new.keys() if old.get(port) != new.get(port)}
        return self._note(key, before, after)

    def _note(self, key: ResourceKey, before: _Known | None, after: _Known | None) -> Place | None:
        """Keeps the indexes between MeshServices and MeshMultiZoneServices."""
        if after is None:
            self._made_of.pop(key, None)
        known = after or before
        if known is None or key.kind != MESH_SERVICE:
            return None
        service = known.service
        place = (key.mesh, service.display_name, service.namespace, service.zone or self._zone)
        if after is None:
            self._at.pop(place, None)
        else:
            self._at[place] = key
        return place

    def _look(self, resource: Resource, around: _Around) -> _Known:
        service = parse_real_service(resource)
        if resource.kind == MESH_MULTI_ZONE_SERVICE:
            return self._multi_zone(service, resource, around)
        if resource.kind == MESH_SERVICE and not self.is_local(service):
            # Other zones are reached through their ingresses, which pass on nothing but TLS.
            service = replace(service, tls=True)
        ports = {service.endpoints(port.number): self._reached(service, port, around) for port in service.ports}
        spoken = tuple(_carrying(port, ports[service.endpoints(port.number)].protocol) for port in service.ports)
        return _Known(replace(service, ports=spoken), available(resource), ports)

    def _reached(self, service: RealService, port: ServicePort, around: _Around) -> ServiceEndpoints:
        if service.kind == MESH_EXTERNAL_SERVICE:
            return ServiceEndpoints(behind_egresses(service.labels, around.egresses))
        own = self._instances.of(service.key)
        if own is None:
            far = behind_ingresses(service.zone, around.ingresses) if around.across else ()
            return ServiceEndpoints(far, remote=far)
        near = instances(port, (own[name] for name in sorted(own)))
        spoken = common_protocol(parse_protocol(endpoint.tags.get(PROTOCOL_TAG, "")) for endpoint in near)
        return ServiceEndpoints(near, local=near, protocol=spoken)

    def _multi_zone(self, service: RealService, resource: Resource, around: _Around) -> _Known:
        self._made_of[resource.key] = frozenset((resource.mesh, *place) for place in members(resource))
        found = list(self._members(resource.key))
        identities = {one for known in found for one in known.service.identities}
        shares = {ingress.zone: ingress.share for ingress in around.ingresses}
        ports = {}
        for port in service.ports:
            parts = [known.ports.get(known.service.endpoints(port.number), NOTHING) for known in found]
            near = tuple(endpoint for part in parts for endpoint in part.local)
            far = by_shares(tuple(endpoint for part in parts for endpoint in part.remote), shares)
            ports[service.endpoints(port.number)] = ServiceEndpoints((*near, *far), near, far)
        return _Known(replace(service, identities=tuple(sorted(identities))), True, ports)

    def _members(self, key: ResourceKey) -> Iterator[_Known]:
        """The MeshServices of a MeshMultiZoneService: those of this zone, and those of others that can be used."""
        for place in sorted(self._made_of[key]):
            known = self._known.get(self._at[place]) if place in self._at else None
            if known is not None and (known.available or self.is_local(known.service)):
                yield known

    def _list(self, mesh: str) -> None:
        found = [known.service for key, known in self._known.items() if key.mesh == mesh]
        order = list(SHORT)
        self._listed[mesh] = tuple(sorted(found, key=lambda service: (order.index(service.kind), service.name)))

    def _take_surroundings(self, view: View, meshes: Iterable[Mesh]) -> set[str]:
        """Notes what all services of a mesh depend on; returns the meshes for which it changed."""
        ingresses = tuple(
            # What an ingress offers of tag services does not matter here, and changes often.
            replace(ingress, available=())
            for ingress in map(self._tag_services.ingress, view.list("ZoneIngress"))
            if ingress.reachable and ingress.zone not in ("", self._zone)
        )
        egresses = tuple(
            egress
            for egress in map(self._tag_services.egress, view.list("ZoneEgress"))
            if egress.zone in ("", self._zone)
        )
        around = {}
        for mesh in meshes:
            across = mesh.mtls or bool(view.bucket("MeshIdentity", mesh.name))
            around[mesh.name] = _Around(mesh, across, ingresses, egresses)
        self.has_egress = bool(egresses)
        moved = {name for name in around.keys() | self._around.keys() if around.get(name) != self._around.get(name)}
        self._around = around
        return moved


def _carrying(port: ServicePort, spoken: str) -> ServicePort:
    return replace(port, carried=spoken) if spoken in HTTP_LIKE and port.protocol not in HTTP_LIKE else port
