"""Gives virtual addresses to services as they appear and takes them back when they are gone, for every mesh.

The table is a Config resource; it is written only when a service came or went. One instance per zone does this.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from ursa.errors import AlreadyExists, Conflict, NotFound
from ursa.model.dataplane import SERVICELESS_PORT, parse_dataplane
from ursa.model.resource import Resource
from ursa.model.zone_proxy import parse_zone_ingress
from ursa.store.contract import Create, Store, Update
from ursa.topology.ingresses import remote_services
from ursa.topology.vips import allocate, config_name, parse_table, serialise_table
from ursa.view.live import LiveView
from ursa.view.view import View

log = logging.getLogger(__name__)

CAUSES = frozenset({"Dataplane", "ZoneIngress", "Mesh", "Config"})


class VipAllocator:
    """Keeps the tables of all meshes in step with their services."""

    def __init__(self, store: Store, live: LiveView, zone: str, cidr: str) -> None:
        self._store, self._live, self._zone, self._cidr = store, live, zone, cidr

    async def run(self) -> None:
        """Follows the view until cancelled."""
        await self._live.ready.wait()
        subscription = self._live.subscribe("virtual addresses")
        try:
            view = self._live.current
            await self._allocate(view, view.meshes())
            while True:
                step = await subscription.next()
                if step.touched.kinds & CAUSES:
                    await self._allocate(step.after, self._concerned(step.before, step.after))
        finally:
            subscription.close()

    def _concerned(self, before: View, after: View) -> list[str]:
        return [mesh for mesh in after.meshes() if self._differs(before, after, mesh)]

    @staticmethod
    def _differs(before: View, after: View, mesh: str) -> bool:
        return (
            before.bucket("ZoneIngress", "") is not after.bucket("ZoneIngress", "")
            or before.bucket("Dataplane", mesh) is not after.bucket("Dataplane", mesh)
            or before.get("Mesh", "", mesh) is not after.get("Mesh", "", mesh)
            or before.get("Config", "", config_name(mesh)) is not after.get("Config", "", config_name(mesh))
        )

    async def _allocate(self, view: View, meshes: Iterable[str]) -> None:
        remote = self._remote(view)
        for mesh in meshes:
            config = view.get("Config", "", config_name(mesh))
            table = parse_table("" if config is None else str(config.spec.get("config", "")))
            services = _local(view, mesh) | {service for of, service in remote if of == mesh}
            try:
                allocated = allocate(services, table, self._cidr)
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


def _local(view: View, mesh: str) -> set[str]:
    return {service for service in view.services(mesh) if _has_address(view, mesh, service)}


def _has_address(view: View, mesh: str, service: str) -> bool:
    """Whether some inbound offers the service at a port that others may use; gateways have no virtual address."""
    return any(
        inbound.service == service and inbound.state != "Ignored" and inbound.port != SERVICELESS_PORT
        for resource in view.serving(mesh, service).values()
        for inbound in parse_dataplane(resource).inbounds
    )
