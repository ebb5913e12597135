"""Writes what this zone offers into its zone ingresses, from where it travels to the other zones.

Groups of equal instances are counted as Dataplanes come, change and go; a write happens only when a count differs.
One instance per zone does this.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry

from ursa.errors import Conflict, NotFound
from ursa.model.dataplane import parse_dataplane
from ursa.model.mesh import Mesh, parse_mesh
from ursa.model.resource import Resource
from ursa.model.zone_proxy import parse_zone_ingress
from ursa.runtime.clock import Clock
from ursa.runtime.telemetry import component
from ursa.store.contract import Store, Update
from ursa.topology.available import Group, available_services, external_services, groups_of
from ursa.view.live import LiveView
from ursa.view.view import Touched, View

log = logging.getLogger(__name__)

CAUSES = frozenset({"Dataplane", "ExternalService", "ZoneIngress", "Mesh"})

PACE = 0.1
"""Seconds between two writes at least, so that a rollout of many instances becomes few updates in other zones.
No setting: nobody sees the difference, and a longer one would keep traffic away from what has just come."""


class Offers:
    """Keeps `availableServices` of this zone's ingresses in step with its Dataplanes and ExternalServices."""

    def __init__(
        self,
        store: Store,
        live: LiveView,
        clock: Clock,
        zone: str,
        tag_filters: Sequence[str],
        *,
        metrics: CollectorRegistry | None = None,
    ) -> None:
        self._rounds = component("zone_available_services", clock, metrics)
        self._store, self._live, self._clock = store, live, clock
        self._zone, self._tag_filters = zone, tag_filters
        self._groups: Counter[Group] = Counter()

    async def run(self) -> None:
        """Follows the view until cancelled."""
        await self._live.ready.wait()
        self._groups.clear()
        subscription = self._live.subscribe("offered services")
        try:
            view = self._live.current
            self._count(view.everything())
            await self._write(view)
            while True:
                step = await subscription.touching(CAUSES)
                self._count(step.touched)
                await self._write(step.after)
                await self._clock.sleep(PACE)
        finally:
            subscription.close()

    def _count(self, touched: Touched) -> None:
        for change in touched.of("Dataplane"):
            if change.before is not None:
                self._groups.subtract(self._groups_of(change.before))
            if change.after is not None:
                self._groups.update(self._groups_of(change.after))
        self._groups = +self._groups

    def _groups_of(self, resource: Resource) -> list[Group]:
        return groups_of(parse_dataplane(resource), self._tag_filters)

    async def _write(self, view: View) -> None:
        with self._rounds.timed():
            await self._bring(view)

    async def _bring(self, view: View) -> None:
        """Makes all of this zone's ingresses offer what there is."""
        meshes = [parse_mesh(resource) for resource in view.list("Mesh")]
        egress = {mesh.name for mesh in meshes if mesh.zone_egress and not mesh.exclusive}
        external = external_services(view.list("ExternalService"), egress, self._zone)
        offered = available_services(self._visible(meshes)) + external
        for resource in view.list("ZoneIngress"):
            if parse_zone_ingress(resource, self._zone).zone != self._zone:
                continue
            if resource.spec.get("availableServices", []) == offered:
                continue
            spec = {**resource.spec, "availableServices": offered}
            try:
                await self._store.write([Update(resource.with_spec(spec), resource.version)])
            except (Conflict, NotFound):
                # The ingress changed meanwhile; that reaches us by the view and is looked at then.
                log.debug("zone ingress changed meanwhile", extra={"name": resource.name})

    def _visible(self, meshes: Iterable[Mesh]) -> Counter[Group]:
        """Groups of meshes that route by tags."""
        exclusive = {mesh.name for mesh in meshes if mesh.exclusive}
        if not exclusive:
            return self._groups
        return Counter({group: count for group, count in self._groups.items() if group[0] not in exclusive})
