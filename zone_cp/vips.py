"""Gives virtual addresses to services as they appear and takes them back when they are gone, for every mesh.

The table is a Config resource; it is written only when a service came or went. One instance per zone does this.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from itertools import islice

from prometheus_client import CollectorRegistry

from ursa.errors import AlreadyExists, Conflict, NotFound
from ursa.model.dataplane import SERVICELESS_PORT, parse_dataplane
from ursa.model.json import JsonObject
from ursa.model.labels import SERVICE_TAG
from ursa.model.resource import Resource
from ursa.model.zone_proxy import parse_zone_ingress
from ursa.policies.legacy.virtual_outbound import KIND as VIRTUAL_OUTBOUND
from ursa.policies.legacy.virtual_outbound import Pairs, virtual_hosts
from ursa.runtime.clock import Clock
from ursa.runtime.telemetry import Count, Summary, component
from ursa.store.contract import Create, Store, Update
from ursa.topology.ingresses import remote_services
from ursa.topology.vips import allocate, config_name, entries, parse_table, serialise_table
from ursa.view.live import LiveView, Step
from ursa.view.view import Touched, View

log = logging.getLogger(__name__)

CAUSES = frozenset({"Dataplane", "ZoneIngress", "Mesh", "Config", "ExternalService", VIRTUAL_OUTBOUND})

Offer = frozenset[Pairs]
"""The distinct tags of a service's instances, or some of them where nothing depends on that; none for no instance."""

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
        named: bool = True,
        metrics: CollectorRegistry | None = None,
    ) -> None:
        """Args:
        store: where the tables are.
        live: everything else.
        clock: for pauses.
        zone: name of the zone.
        cidr: the range of addresses.
        named: whether every service gets an address; otherwise only what VirtualOutbounds name.
        metrics: takes the times of rounds.
        """
        self._rounds = component("vip_allocator", clock, metrics)
        registry = metrics or CollectorRegistry()
        self._generation = Summary("vip_generation", "Finding addresses for a mesh", clock, registry=registry)
        self._errors = Count("vip_generation_errors", "Meshes for which there are none left", registry=registry)
        self._store, self._live, self._clock, self._zone, self._cidr = store, live, clock, zone, cidr
        self._named = named
        self._local: dict[str, dict[str, Offer]] = {}
        """What this zone's Dataplanes offer of their services, by mesh and service."""

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
        """Looks at the services that a step touched; returns the meshes that may need other addresses."""
        changed = {change.key.mesh for change in touched.of(VIRTUAL_OUTBOUND)}
        dirty = {*touched.services, *((mesh, service) for mesh in changed for service in view.services(mesh))}
        for mesh, service in dirty:
            offers, after = self._local.setdefault(mesh, {}), _offer(view, mesh, service)
            if offers.pop(service, frozenset()) != after:
                changed.add(mesh)
            if after:
                offers[service] = after
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
            try:
                with self._generation.timed():
                    allocated = allocate(self._wanted(view, mesh, remote.get(mesh, {})), table, self._cidr)
            except ValueError as error:
                self._errors.add()
                log.error("virtual addresses are used up", extra={"mesh": mesh, "error": str(error)})
                continue
            if allocated != table:
                await self._write(config, mesh, serialise_table(allocated))

    def _wanted(self, view: View, mesh: str, remote: Mapping[str, Offer]) -> dict[str, list[JsonObject]]:
        local, external = self._local.get(mesh, {}), view.list("ExternalService", mesh)
        policies = view.list(VIRTUAL_OUTBOUND, mesh)
        instances: set[Pairs] = set()
        if policies:
            instances |= {tags for offers in (local, remote) for offer in offers.values() for tags in offer}
            instances |= {_pairs(resource.spec.get("tags", {})) for resource in external}
        virtual = virtual_hosts(policies, instances)
        return entries({*local, *remote}, external, virtual) if self._named else entries((), (), virtual)

    async def _write(self, config: Resource | None, mesh: str, table: str) -> None:
        resource = Resource("Config", "", config_name(mesh), {"config": table})
        try:
            await self._store.write([Create(resource) if config is None else Update(resource, config.version)])
        except (AlreadyExists, Conflict, NotFound):
            # Somebody else wrote the table; that change reaches us by the view and is looked at then.
            log.debug("table of virtual addresses changed meanwhile", extra={"mesh": mesh})

    def _remote(self, view: View) -> Mapping[str, Mapping[str, Offer]]:
        """What other zones offer, by mesh and service."""
        ingresses = [parse_zone_ingress(resource, self._zone) for resource in view.list("ZoneIngress")]
        found: dict[str, dict[str, Offer]] = {}
        for (mesh, service), groups in remote_services(ingresses, self._zone).by_service.items():
            found.setdefault(mesh, {})[service] = frozenset(_pairs(group.service.tags) for group in groups)
        return found


def _offer(view: View, mesh: str, service: str) -> Offer:
    """What inbounds offer of a service at ports that others may use; gateways have no virtual address."""
    tag_sets = (
        _pairs(inbound.tags)
        for resource in view.serving(mesh, service).values()
        for inbound in parse_dataplane(resource).inbounds
        if inbound.service == service and inbound.state != "Ignored" and inbound.port != SERVICELESS_PORT
    )
    if view.bucket(VIRTUAL_OUTBOUND, mesh):
        return frozenset(tag_sets)
    # Nothing depends on the tags, so that one instance tells that there are some.
    return frozenset(((SERVICE_TAG, service),) for _ in islice(tag_sets, 1))


def _pairs(tags: Mapping[str, str]) -> Pairs:
    return tuple(sorted(tags.items()))
