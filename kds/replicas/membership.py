"""Keeps the catalogue: followers tell the leader that they live, the leader writes down who did.

A replica is listed as soon as it is heard of, and leaves when it says goodbye or was silent for a whole interval. The
list is written when it changes, and never while it does not. Followers turn to a new leader when the list shows it,
not when their next ping is due. How many streams a replica serves travels with its pings, and is written when it has
changed by much.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from prometheus_client import CollectorRegistry

from kds.replicas.catalogue import CONFIG, Replica, catalogue_config, read_catalogue
from kds.replicas.holdings import Holdings
from kds.replicas.peers import Peers
from kds.replicas.shares import is_noteworthy
from kds.streams import race
from kds.waiting import within
from ursa.errors import Conflict, NotFound, Unavailable
from ursa.runtime.addresses import own_address
from ursa.runtime.clock import Clock
from ursa.runtime.config import Settings
from ursa.runtime.telemetry import Count, component
from ursa.store.contract import Create, Store, Update
from ursa.view.live import LiveView, Subscription

log = logging.getLogger(__name__)

FAREWELL = 1.0
"""Seconds for saying goodbye. No setting: who is not told finds out by `interCp.catalog.writerInterval`."""


def own_replica(settings: Settings, instance: str) -> Replica:
    """This replica, at the configured address or at the one this machine is known by."""
    address = settings.inter_cp.catalog.instance_address or own_address()
    return Replica(instance, address, settings.inter_cp.server.port)


class Membership:
    """This replica's part in the catalogue; `lead` runs while it leads, `follow` always."""

    def __init__(
        self,
        settings: Settings,
        own: Replica,
        store: Store,
        live: LiveView,
        peers: Peers,
        clock: Clock,
        holdings: Holdings,
        *,
        metrics: CollectorRegistry | None = None,
    ) -> None:
        """Args: store: takes writes only while this replica leads."""
        self._beats, self._writes = component("heartbeat", clock, metrics), component("catalog_writer", clock, metrics)
        self._missed = Count(
            "component_heartbeat_failures", "Heartbeats that failed", registry=metrics or CollectorRegistry()
        )
        self._holdings = holdings
        self._own, self._store, self._live, self._peers, self._clock = own, store, live, peers, clock
        self._heartbeat = settings.inter_cp.catalog.heartbeat_interval
        self._longest = settings.inter_cp.client.ping_max_backoff
        self._interval = settings.inter_cp.catalog.writer_interval
        self._listed: dict[str, Replica] = {}
        self._heard: dict[str, Replica] = {}
        self._news = asyncio.Event()
        self._leads = False
        self._told = 0
        """How many streams of its own this replica last wrote down."""

    def pinged(self, replica: Replica, ready: bool) -> bool:
        """A follower lives, or is about to end; returns whether this replica leads."""
        if not self._leads or replica.id == self._own.id:
            return self._leads
        known = self._listed.get(replica.id)
        if ready:
            if known == replica and not is_noteworthy(known.streams, replica.streams):
                # What is listed stays as it is, or small changes would never add up to a noteworthy one.
                replica = known
            self._heard[replica.id] = self._listed[replica.id] = replica
        else:
            self._heard.pop(replica.id, None)
            self._listed.pop(replica.id, None)
        if self._listed.get(replica.id) is not known:
            self._news.set()
        return True

    async def lead(self) -> None:
        """Writes the catalogue until cancelled, and at the end that nobody leads."""
        await self._live.ready.wait()
        # Who was listed keeps its place for one interval, in which it will find the new leader if it lives.
        self._listed = {one.id: replace(one, leader=False) for one in self._others()}
        self._heard = {}
        self._leads = True
        try:
            await race(self._keep_catalogue(), self._watch_own())
        finally:
            self._leads = False
            with suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(FAREWELL):
                    await self._write(replace(one, leader=False) for one in read_catalogue(self._live.current))

    async def _keep_catalogue(self) -> None:
        ends = self._clock.monotonic() + self._interval
        while True:
            if is_noteworthy(self._told, self._holdings.count):
                self._told = self._holdings.count
            await self._write([*self._listed.values(), replace(self._own, leader=True, streams=self._told)])
            # Nobody can fall silent where nobody is.
            left = ends - self._clock.monotonic() if self._listed else None
            await within(self._news.wait(), left, self._clock)
            self._news.clear()
            if self._clock.monotonic() >= ends:
                self._listed, self._heard = self._heard, {}
                ends = self._clock.monotonic() + self._interval

    async def _watch_own(self) -> None:
        """Has it written when the own number of streams has changed, as often as others tell theirs."""
        while True:
            seen = self._holdings.changes
            if self._listed and is_noteworthy(self._told, self._holdings.count):
                self._news.set()
                await self._clock.sleep(self._heartbeat)
            await self._holdings.change(seen)

    async def follow(self) -> None:
        """Pings the leader until cancelled, and once more then."""
        await self._live.ready.wait()
        subscription = self._live.subscribe("leader of replicas")
        failures = 0
        try:
            while True:
                leader = self._leader()
                pause = None
                if leader is not None:
                    failures = 0 if await self._ping(leader) else failures + 1
                    pause = min(self._longest, self._heartbeat * 2.0 ** min(failures, 8))
                if await within(self._another_leader(subscription, leader), pause, self._clock):
                    failures = 0
        finally:
            subscription.close()
            leader = self._leader()
            if leader is not None:
                with suppress(Unavailable, TimeoutError):
                    async with asyncio.timeout(FAREWELL):
                        await self._peers.ping(leader, self._own, ready=False)

    async def _ping(self, leader: Replica) -> bool:
        """Whether the leader took notice."""
        try:
            with self._beats.timed():
                await self._peers.ping(leader, replace(self._own, streams=self._holdings.count), ready=True)
        except Unavailable as error:
            self._missed.add()
            log.debug("leader does not answer", extra={"leader": leader.id, "error": str(error)})
            return False
        return True

    async def _another_leader(self, subscription: Subscription, leader: Replica | None) -> bool:
        """Returns True when the catalogue shows another leader than this one."""
        while self._leader() == leader:
            await subscription.next()
        return True

    def _others(self) -> Iterable[Replica]:
        return (one for one in read_catalogue(self._live.current) if one.id != self._own.id)

    def _leader(self) -> Replica | None:
        """The leader, if that is another replica."""
        return next((one for one in self._others() if one.leader), None)

    async def _write(self, replicas: Iterable[Replica]) -> None:
        with self._writes.timed():
            await self._bring(replicas)

    async def _bring(self, replicas: Iterable[Replica]) -> None:
        """Makes the stored catalogue this one."""
        wanted = catalogue_config(replicas)
        while (config := self._live.current.get("Config", "", CONFIG)) is None or config.spec != wanted.spec:
            write = Create(wanted) if config is None else Update(config.with_spec(wanted.spec), config.version)
            try:
                revision, _ = await self._store.write([write])
            except (Conflict, NotFound):
                # An earlier leader wrote what this view does not show yet.
                revision = await self._store.revision()
            await self._live.wait_for(revision)
