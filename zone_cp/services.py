"""Keeps the real services of a zone as they should be: generated ones, health, virtual addresses, host names.

All of a service's status has this one writer, so that no two parts of a control plane write against each other. A
change is followed to the services it concerns; a write happens only where something differs. One instance per zone
does this.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from ursa.errors import AlreadyExists, Conflict, NotFound
from ursa.model.labels import SERVICE_TAG
from ursa.model.mesh import parse_mesh
from ursa.model.resource import Resource, ResourceKey
from ursa.model.timestamps import SECOND
from ursa.runtime.clock import Clock
from ursa.runtime.config import Settings
from ursa.runtime.telemetry import component
from ursa.store.contract import Store, Write
from ursa.topology.services.addresses import AddressPool, with_address
from ursa.topology.services.generated import Generator, is_local
from ursa.topology.services.hostnames import SELECTORS, in_order, with_hostnames
from ursa.topology.services.status import Proxy, read_proxy, with_health, with_matches
from ursa.view.live import LiveView, Step, Subscription
from ursa.view.view import Touched, View, services_of

log = logging.getLogger(__name__)

PACE = 0.1
"""Seconds between two rounds at least: a rollout of many instances becomes few writes. No setting:
nobody sees the difference."""

CAUSES = frozenset({"Dataplane", "DataplaneInsight", "Mesh", "HostnameGenerator", *SELECTORS})
"""Kinds on which services depend."""


@dataclass(slots=True)
class Concern:
    """What a step concerns: tag services by mesh, None for all of a mesh."""

    meshes: dict[str, set[str] | None] = field(default_factory=dict)

    def add(self, mesh: str, *services: str) -> None:
        """Some services of a mesh."""
        known = self.meshes.setdefault(mesh, set())
        if known is not None:
            known.update(services)

    def add_all(self, mesh: str) -> None:
        """All services of a mesh."""
        self.meshes[mesh] = None


class Services:
    """A supervised component."""

    def __init__(
        self,
        store: Store,
        live: LiveView,
        clock: Clock,
        settings: Settings,
        *,
        metrics: CollectorRegistry | None = None,
    ) -> None:
        self._generating = component("meshservice_generator", clock, metrics)
        self._checking = component("ms_status_updater", clock, metrics)
        self._matching = component("mzms_status_updater", clock, metrics)
        self._naming = component("hostname_generator", clock, metrics)
        self._store, self._live, self._clock = store, live, clock
        self._zone = settings.multizone.zone.name
        self._generates = settings.environment == "universal"
        self._generator = Generator(self._zone, settings.mesh_service.deletion_grace_period)
        ipam = settings.ipam
        self._pools = {
            "MeshService": AddressPool(ipam.mesh_service.cidr),
            "MeshExternalService": AddressPool(ipam.mesh_external_service.cidr),
            "MeshMultiZoneService": AddressPool(ipam.mesh_multi_zone_service.cidr),
        }

    async def run(self) -> None:
        """Follows the view until cancelled."""
        await self._live.ready.wait()
        subscription = self._live.subscribe("real services")
        try:
            await self._update(self._live.current, _everything(self._live.current))
            while True:
                step = await self._next(subscription)
                if step is None:
                    await self._update(self._live.current, _everything(self._live.current))
                elif step.touched.kinds & CAUSES:
                    await self._update(step.after, _concern(step.touched, step.before, step.after))
                    await self._clock.sleep(PACE)
        finally:
            subscription.close()

    async def _next(self, subscription: Subscription) -> Step | None:
        """The next step, None when a service is to be removed before there is one."""
        expiries = [at for s in self._live.current.list("MeshService") if (at := self._generator.expires(s))]
        if not expiries:
            return await subscription.next()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, (min(expiries) - self._clock.now_ns()) / SECOND) + PACE):
                return await subscription.next()
        return None

    async def _update(self, view: View, concern: Concern) -> None:
        for kind, pool in self._pools.items():
            pool.track(view.list(kind))
        for mesh, services in concern.meshes.items():
            writes = list(_writes(view, mesh, self._wanted(view, mesh, services)))
            if not writes:
                continue
            with suppress(AlreadyExists, Conflict, NotFound):
                # Whoever came first wrote what concerns these services, so they are looked at again.
                await self._store.write(writes)

    def _wanted(self, view: View, mesh: str, tag_services: set[str] | None) -> Mapping[ResourceKey, Resource]:
        """All services of a mesh as they should be."""
        with self._generating.timed():
            local = self._generated(view, mesh, tag_services)
        with self._checking.timed():
            services = {key: self._checked(view, service, tag_services) for key, service in local.items()}
        with self._matching.timed():
            for service in view.list("MeshMultiZoneService", mesh):
                services[service.key] = with_matches(
                    service, (s for s in services.values() if s.kind == "MeshService"), self._zone
                )
        services |= {service.key: service for service in view.list("MeshExternalService", mesh)}
        generators = in_order(view.list("HostnameGenerator"))
        named: dict[ResourceKey, Resource] = {}
        with self._naming.timed():
            for kind in SELECTORS:
                ours = [self._addressed(s) for s in services.values() if s.kind == kind]
                named |= {service.key: service for service in with_hostnames(ours, generators, self._zone)}
        return named

    def _generated(self, view: View, mesh: str, tag_services: set[str] | None) -> dict[ResourceKey, Resource]:
        """All MeshServices of a mesh, after those that Dataplanes call for."""
        services = {service.key: service for service in view.list("MeshService", mesh)}
        of = view.get("Mesh", "", mesh)
        if not self._generates or of is None:
            return services
        if parse_mesh(of).mesh_services == "Disabled":
            return {key: service for key, service in services.items() if not self._generator.owns(service)}
        names = set(view.services(mesh)) | {s.name for s in services.values() if self._generator.owns(s)}
        for name in sorted(names if tag_services is None else names & tag_services):
            key = ResourceKey("MeshService", mesh, name)
            dataplanes = view.serving(mesh, name).values()
            service = self._generator.generate(mesh, name, services.get(key), dataplanes, self._clock.now_ns())
            services.pop(key, None)
            if service is not None:
                services[key] = service
        return services

    def _checked(self, view: View, service: Resource, tag_services: set[str] | None) -> Resource:
        """A MeshService with its health, if it is a local one and something about it may have changed."""
        selector = service.spec.get("selector", {}).get("dataplaneTags", {})
        tag = selector.get(SERVICE_TAG)
        if not is_local(service, self._zone) or (tag_services is not None and tag and tag not in tag_services):
            return service
        mesh = view.get("Mesh", "", service.mesh)
        proxies = self._proxies(view, service.mesh, tag)
        return with_health(service, proxies, mtls=mesh is not None and parse_mesh(mesh).mtls)

    def _proxies(self, view: View, mesh: str, tag: str | None) -> Iterator[Proxy]:
        resources = view.serving(mesh, tag).values() if tag else view.list("Dataplane", mesh)
        return (read_proxy(one, view.get("DataplaneInsight", mesh, one.name)) for one in resources)

    def _addressed(self, service: Resource) -> Resource:
        try:
            return with_address(service, self._pools[service.kind])
        except ValueError as error:
            log.error("service gets no virtual address", extra={"service": str(service.key), "error": str(error)})
            return service


def _concern(touched: Touched, before: View, after: View) -> Concern:
    """The services that a step may have changed."""
    concern = Concern()
    for key in touched.keys:
        if key.kind == "HostnameGenerator":
            return _everything(after)
        if key.kind == "Mesh":
            concern.add_all(key.name)
        elif key.kind in ("Dataplane", "DataplaneInsight"):
            for view in (before, after):
                if (dataplane := view.get("Dataplane", key.mesh, key.name)) is not None:
                    concern.add(key.mesh, *services_of(dataplane))
        elif key.kind in SELECTORS:
            concern.add(key.mesh, key.name, *_tags(after.get(*key)))
    return concern


def _tags(service: Resource | None) -> Iterator[str]:
    if service is not None and (tag := service.spec.get("selector", {}).get("dataplaneTags", {}).get(SERVICE_TAG)):
        yield tag


def _everything(view: View) -> Concern:
    return Concern(dict.fromkeys(view.meshes()))


def _writes(view: View, mesh: str, wanted: Mapping[ResourceKey, Resource]) -> Iterator[Write]:
    """From what is there to what should be there."""
    for kind in SELECTORS:
        for existing in view.list(kind, mesh):
            if existing.key not in wanted:
                yield view.removing(existing)
    for key, service in wanted.items():
        known = view.get(*key)
        if known is None or not known.same_content(service):
            yield view.replacing(service)
