"""Makes the steps of zones that are drained or come back, each when it is due; nothing runs while no zone is."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from global_cp.drain_capacity import stranded_without
from global_cp.drain_steps import advanced, next_step, paced, unfinished
from kds.drains import Drain, read_drains, write_drains
from kds.waiting import within
from ursa.errors import Conflict
from ursa.model.zone_proxy import WHOLE
from ursa.runtime.clock import Clock
from ursa.runtime.config import Settings
from ursa.store.contract import Store
from ursa.view.live import LiveView
from ursa.view.view import View

log = logging.getLogger(__name__)

SECOND = 1_000_000_000
CAUSES = frozenset({"Config", "Zone"})
CAPACITY = CAUSES | {"Mesh", "Dataplane", "ZoneIngress", "MeshService", "MeshMultiZoneService", "MeshIdentity"}
"""Changes of these may let a way go on that is held up."""


class ZoneDraining:
    """Run by the leader."""

    def __init__(self, settings: Settings, store: Store, live: LiveView, clock: Clock) -> None:
        self._limits, self._store, self._live, self._clock = settings.multizone.global_.drain, store, live, clock

    async def run(self) -> None:
        """Follows drains until cancelled."""
        await self._live.ready.wait()
        subscription = self._live.subscribe("draining zones")
        try:
            while True:
                await self._step()
                now = self._clock.now_ns()
                times = [next_step(drain, self._limits, now) for drain in read_drains(self._live.current).values()]
                due = min((time for time in times if time is not None), default=None)
                wait = None if due is None else (due - now) / SECOND
                held = any(drain.held_at for drain in read_drains(self._live.current).values())
                await within(subscription.touching(CAPACITY if held else CAUSES), wait, self._clock)
                if held:
                    # Capacity comes in many changes; one look at all of them is enough.
                    await self._clock.sleep(self._limits.shortest_step)
        finally:
            subscription.close()

    async def _step(self) -> None:
        """Writes what is due, if anything is."""
        view, now = self._live.current, self._clock.now_ns()
        before = read_drains(view)
        after = unfinished(
            {zone: self._paced(view, zone, drain, now) for zone, drain in before.items() if _exists(view, zone)}
        )
        if after == before:
            return
        try:
            revision = await write_drains(self._store, view, after)
        except Conflict:
            log.debug("drains changed meanwhile")
            return
        await self._live.wait_for(revision)
        log.info("shares of zones changed", extra={"shares": _shares(before, after), "revision": revision})
        for zone, drain in after.items():
            if drain.held_at and not before[zone].held_at:
                services = [f"{one.mesh}/{one.service}" for one in stranded_without(view, zone)]
                log.warning("drain held up, others cannot take over", extra={"zone": zone, "services": services})

    def _paced(self, view: View, zone: str, drain: Drain, now: int) -> Drain:
        """The drain at this time, if the other zones can still bear it."""
        lowered = drain.held_at or advanced(drain, self._limits, now).share < drain.share
        bearable = not lowered or drain.forced or not stranded_without(view, zone)
        return paced(drain, self._limits, now, bearable=bearable)


def _exists(view: View, zone: str) -> bool:
    return view.get("Zone", "", zone) is not None


def _shares(before: Mapping[str, Drain], after: Mapping[str, Drain]) -> dict[str, int]:
    """The shares that differ; a zone that is not there any more, or is back, has all of its weight."""
    return {zone: after[zone].share if zone in after else WHOLE for zone in before if before[zone] != after.get(zone)}
