"""Endpoints of all services, kept up to date service by service.

After a change only the services it can concern are looked at again, and what comes out equal stays the same object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from ursa.model.dataplane import parse_dataplane
from ursa.model.mesh import Mesh
from ursa.model.resource import Resource
from ursa.model.zone_proxy import ZoneEgress, ZoneIngress, parse_zone_egress, parse_zone_ingress
from ursa.planner.parsed import Parsed
from ursa.topology.endpoints import ServiceEndpoints, Surroundings, service_endpoints
from ursa.topology.external_services import ExternalService
from ursa.topology.ingresses import RemoteServices, remote_services
from ursa.view.view import Touched, View

ServiceKey = tuple[str, str]

NOTHING = ServiceEndpoints()


@dataclass(slots=True)
class ServiceChanges:
    """What became of the services: those whose endpoints differ, and meshes in which a fact that clusters depend on
    (a protocol, the very existence of a service) differs."""

    endpoints: set[ServiceKey] = field(default_factory=set)
    meshes: set[str] = field(default_factory=set)


class ServiceIndex:
    """Endpoints by (mesh, service) as seen from one zone."""

    def __init__(
        self, zone: str, external: Callable[[str], Mapping[str, tuple[ExternalService, ...]]] = lambda _: {}
    ) -> None:
        """Args: external: the external services of a mesh by service."""
        self._zone, self._external = zone, external
        self._known: dict[ServiceKey, ServiceEndpoints] = {}
        self._around: dict[str, Surroundings] = {}
        self._remote = RemoteServices()
        self.ingress = Parsed(self._parse_ingress)
        self.egress = Parsed(self._parse_egress)

    def of(self, mesh: str, service: str) -> ServiceEndpoints:
        """The endpoints of a service; of one that nobody serves, none."""
        return self._known.get((mesh, service), NOTHING)

    def update(
        self, view: View, touched: Touched, meshes: Iterable[Mesh], external: Iterable[ServiceKey] = ()
    ) -> ServiceChanges:
        """Takes over a step of the view.

        Args:
            view: the newest view.
            touched: what changed since the last call.
            meshes: all meshes of the view.
            external: services of which a server outside of the mesh came, went or changed.
        """
        for parsed in (self.ingress, self.egress):
            parsed.forget(touched)
        dirty = {*touched.services, *external}
        if touched.kinds & {"ZoneIngress"}:
            dirty |= self._take_ingresses(view)
        moved = self._take_surroundings(view, meshes)
        dirty.update(self._all_keys(view, moved))
        changes = ServiceChanges()
        for key in dirty:
            self._refresh(view, key, changes)
        return changes

    def _refresh(self, view: View, key: ServiceKey, changes: ServiceChanges) -> None:
        mesh, service = key
        around = self._around.get(mesh)
        bucket = view.serving(mesh, service)
        remote = self._remote.by_service.get(key, ())
        external = self._external(mesh).get(service, ())
        before = self._known.get(key)
        if around is None or (not bucket and not remote and not external):
            after = None
            self._known.pop(key, None)
        else:
            dataplanes = [parse_dataplane(bucket[name]) for name in sorted(bucket)]
            after = service_endpoints(service, around, dataplanes, remote, external)
            if after == before:
                return
            self._known[key] = after
        if before is after:
            return
        changes.endpoints.add(key)
        if before is None or after is None or before.protocol != after.protocol:
            changes.meshes.add(mesh)

    def _take_ingresses(self, view: View) -> set[ServiceKey]:
        before = self._remote
        self._remote = remote_services(map(self.ingress, view.list("ZoneIngress")), self._zone)
        old, new = before.by_service, self._remote.by_service
        return {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}

    def _take_surroundings(self, view: View, meshes: Iterable[Mesh]) -> set[str]:
        """Notes what all services of a mesh depend on; returns the meshes for which it changed."""
        egresses = tuple(e for e in map(self.egress, view.list("ZoneEgress")) if e.zone in ("", self._zone))
        around = {
            mesh.name: Surroundings(mesh, self._zone, self._remote.coordinates, egresses if mesh.zone_egress else ())
            for mesh in meshes
        }
        moved = {name for name in around.keys() | self._around.keys() if around.get(name) != self._around.get(name)}
        self._around = around
        return moved

    def _all_keys(self, view: View, meshes: set[str]) -> Iterable[ServiceKey]:
        for mesh in meshes:
            yield from ((mesh, service) for service in (*view.services(mesh), *self._external(mesh)))
        yield from (key for key in self._remote.by_service if key[0] in meshes)
        yield from (key for key in self._known if key[0] in meshes)

    def _parse_ingress(self, resource: Resource) -> ZoneIngress:
        return parse_zone_ingress(resource, self._zone)

    def _parse_egress(self, resource: Resource) -> ZoneEgress:
        return parse_zone_egress(resource, self._zone)
