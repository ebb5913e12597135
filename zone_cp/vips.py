"""Gives virtual addresses to services as they appear and takes them back when they are gone, for every mesh.

The table is a Config resource; it is written only when a service came or went. One instance per zone does this.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from prometheus_client import CollectorRegistry

from ursa.errors import AlreadyExists, Conflict, NotFound
from ursa.model.dataplane import SERVICELESS_PORT, parse_dataplane
from ursa.model.resource import Resource
from ursa.model.zone_proxy import parse_zone_ingress
from ursa.runtime.clock import Clock
from ursa.runtime.telemetry import component
from ursa.store.contract import Create, Store, Update
from ursa.topology.ingresses import remote_services
from ursa.topology.vips import allocate, config_name, entries, parse_table, serialise_table
from ursa.view.live import LiveView, Step
from ursa.view.view import Touched, View

log = logging.getLogger(__name__)

CAUSES = frozenset({"Dataplane", "ZoneIngress", "Mesh", "Config", "ExternalService"})

PACE = 0.1
"""Seconds between two looks at least, so that many services that come together become one write. No
setting: nobody sees the difference."""


class VipAllocator:
    """Keeps the tables of all meshes in step with their services."""

    def __init__(
        self,
        store: Store,
        live: LiveView,
        clock: Clock,
        zone: str,
        cidr: str,
        *,
        metrics: CollectorRegistry | None = None,
    ) -> None:
        self._rounds = component("vip_allocator", clock, metrics)
        self._store, self._live, self._clock, self._zone, self._cidr = store, live, clock, zone, cidr
        self._local: dict[str, set[str]] = {}
        """Services of this zone's Dataplanes that have an address, by mesh."""

    async def run(self) -> None:
        """Follows the view until cancelled."""
        await self._live.ready.wait()
        self._local.clear()
        subscription = self._live.subscribe("virtual addresses")
        try:
            view = self._live.current
            self._note(view, view.everything())
            with self._rounds.timed():
                await self._allocate(view, view.meshes())
            while True:
                step = await subscription.touching(CAUSES)
                changed = self._note(step.after, step.touched)
                with self._rounds.timed():
                    await self._allocate(step.after, self._concerned(step, changed))
                await self._clock.sleep(PACE)
        finally:
            subscription.close()

    def _note(self, view: View, touched: Touched) -> set[str]:
        """Looks at the services that a step touched; returns the meshes in which one came or went."""
        changed = set()
        for mesh, service in touched.services:
            services = self._local.setdefault(mesh, set())
            if _has_address(view, mesh, service) is not (service in services):
                services ^= {service}
                changed.add(mesh)
        return changed

    @staticmethod
    def _concerned(step: Step, changed: set[str]) -> list[str]:
        if "ZoneIngress" in step.touched.kinds:
            return list(step.after.meshes())
        named = {f"{key.kind}/{key.name}" for key in step.touched.keys if key.kind in ("Mesh", "Config")}
        changed = changed | {change.key.mesh for change in step.touched.of("ExternalService")}
        return [
            mesh
            for mesh in step.after.meshes()
            if mesh in changed or not named.isdisjoint((f"Mesh/{mesh}", f"Config/{config_name(mesh)}"))
        ]

    async def _allocate(self, view: View, meshes: Iterable[str]) -> None:
        remote = self._remote(view)
        for mesh in meshes:
            config = view.get("Config", "", config_name(mesh))
            table = parse_table("" if config is None else str(config.spec.get("config", "")))
            services = self._local.get(mesh, set()) | {service for of, service in remote if of == mesh}
            try:
                wanted = entries(services, view.list("ExternalService", mesh))
                allocated = allocate(wanted, table, self._cidr)
            except ValueError as error:
                log.error("virtual addresses are used up", extra={"mesh": mesh, "error": str(error)})
                continue
            if allocated != table:
                await self._write(config, mesh, serialise_table(allocated))

    async def _write(self, config: Resource | None, mesh: str, table: str) -> None:
        resource = Resource("Config", "", config_name(mesh), {"config": table})
        try:
            await self._store.write([Create(resource) if config is None else Update(resource, config.version)])
        except (AlreadyExists, Conflict, NotFound):
            # Somebody else wrote the table; that change reaches us by the view and is looked at then.
            log.debug("table of virtual addresses changed meanwhile", extra={"mesh": mesh})

    def _remote(self, view: View) -> set[tuple[str, str]]:
        ingresses = [parse_zone_ingress(resource, self._zone) for resource in view.list("ZoneIngress")]
        return set(remote_services(ingresses, self._zone).by_service)


def _has_address(view: View, mesh: str, service: str) -> bool:
    """Whether some inbound offers the service at a port that others may use; gateways have no virtual address."""
    return any(
        inbound.service == service and inbound.state != "Ignored" and inbound.port != SERVICELESS_PORT
        for resource in view.serving(mesh, service).values()
        for inbound in parse_dataplane(resource).inbounds
    )
