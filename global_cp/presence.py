"""Ends what was recorded about zones by replicas of the global that are gone.

Every replica holds a lease in its own name as long as it lives. Whoever gets that lease knows that its holder is gone
and closes the subscriptions it left open. So no clock decides, and nothing has to be written to prove life.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from kds.insight import closed
from ursa.errors import Conflict, NotFound
from ursa.model.kind import Kind
from ursa.model.resource import Resource
from ursa.runtime.clock import Clock
from ursa.runtime.tasks import cancel_and_wait, spawn
from ursa.runtime.telemetry import component
from ursa.store.contract import Lease, Store, Update
from ursa.view.live import LiveView

log = logging.getLogger(__name__)


def lease_name(instance: str) -> str:
    """The lease that a replica holds while it lives."""
    return f"global/{instance}"


class Presence:
    """The life of this replica, and its eye on the others."""

    def __init__(
        self,
        store: Store,
        live: LiveView,
        clock: Clock,
        zone_insight: Kind,
        instance: str,
        *,
        ttl: float,
        metrics: CollectorRegistry | None = None,
    ) -> None:
        """Args: `ttl` are the seconds after which a dead replica's lease is free."""
        self._rounds = component("sub_finalizer", clock, metrics)
        self._store, self._live, self._clock, self._kind = store, live, clock, zone_insight
        self._instance, self._ttl = instance, ttl
        self._watches: dict[str, asyncio.Task[None]] = {}

    @asynccontextmanager
    async def held(self) -> AsyncIterator[Lease]:
        """While this lasts, the others know that this replica lives."""
        lease = await self._store.acquire(lease_name(self._instance), self._instance, self._ttl)
        try:
            yield lease
        finally:
            await lease.release()

    async def watch_others(self) -> None:
        """Watches every replica that has a zone connected; run by the leader."""
        await self._live.ready.wait()
        subscription = self._live.subscribe("presence of replicas")
        try:
            self._watch(self._live.current.list("ZoneInsight"))
            while True:
                step = await subscription.next()
                self._watch(c.after for c in step.touched.of("ZoneInsight") if c.after is not None)
        finally:
            subscription.close()
            await cancel_and_wait(*self._watches.values())

    def _watch(self, insights: Iterable[Resource]) -> None:
        for insight in insights:
            for instance in holders(insight) - {self._instance} - self._watches.keys():
                self._watches[instance] = spawn(self._outlive(instance), f"presence of {instance}")

    async def _outlive(self, instance: str) -> None:
        lease = await self._store.acquire(lease_name(instance), self._instance, self._ttl)
        try:
            with self._rounds.timed():
                await self._live.wait_for(await self._store.revision())
                for insight in self._live.current.list("ZoneInsight"):
                    if instance in holders(insight):
                        await self._close(insight, instance)
        finally:
            self._watches.pop(instance, None)
            await lease.release()

    async def _close(self, insight: Resource, instance: str) -> None:
        now = self._clock.now_ns()
        subscriptions = [
            closed(one, now) if one.get("globalInstanceId") == instance else one
            for one in insight.spec["subscriptions"]
        ]
        spec = self._kind.codec.normalise({**insight.spec, "subscriptions": subscriptions})
        try:
            await self._store.write([Update(insight.with_spec(spec), insight.version)])
        except (Conflict, NotFound):
            log.debug("zone insight changed meanwhile", extra={"zone": insight.name})
        else:
            log.info("zone was connected to a replica that is gone", extra={"zone": insight.name, "replica": instance})


def holders(insight: Resource) -> set[str]:
    """Replicas that have an open subscription of this zone."""
    return {
        str(one.get("globalInstanceId", ""))
        for one in insight.spec.get("subscriptions", ())
        if not one.get("disconnectTime")
    }
