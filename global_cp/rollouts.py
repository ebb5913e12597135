"""How far every recent revision of the global has come: committed, stored in zones, taken over by their proxies.

A zone that speaks no more than Kuma's protocol proves by its answers that it stored a revision; of its proxies nothing
is known then, and that is what is said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Histogram

from global_cp.zones import Memory, Zones
from kds.publisher import Publisher
from kds.rollout_report import Report
from ursa.model.kind import Registry, Sync
from ursa.model.resource import ResourceKey
from ursa.runtime.clock import Clock
from ursa.view.live import LiveView, Step

STAGES = ("stored", "complete")
"""What can be waited for."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One thing a revision did."""

    key: ResourceKey
    operation: str


@dataclass(slots=True)
class ZoneProgress:
    """One zone's way to one revision."""

    stored_at: int = 0
    report: int | None = None
    """The revision under which the zone reports about its proxies; None when nothing was sent to it."""


@dataclass(slots=True)
class Revision:
    """One revision of the global's store.

    Attributes:
        number: the revision.
        committed_at: when it was seen, nanoseconds.
        changes: what it changed that zones may get.
        zones: progress by zone, of those that have stored it.
        observed: stages that all zones have reached.
    """

    number: int
    committed_at: int
    changes: list[Changed] = field(default_factory=list)
    zones: dict[str, ZoneProgress] = field(default_factory=dict)
    observed: set[str] = field(default_factory=set)


class Rollouts:
    """Follows the view and the zones."""

    def __init__(
        self, live: LiveView, registry: Registry, zones: Zones, publisher: Publisher, clock: Clock, *, kept: int
    ) -> None:
        """Args: `kept` revisions are remembered."""
        self._live, self._registry, self._zones, self._clock = live, registry, zones, clock
        self._publisher, self._kept = publisher, kept
        self._revisions: dict[int, Revision] = {}
        self._connected: set[str] = set()
        self._pending: set[int] = set()
        """Revisions that some connected zone has not stored."""
        self._moved = asyncio.Event()
        self._seconds: Histogram | None = None
        zones.on_progress(lambda zone: self._note([zone]))
        publisher.follow(lambda: self._note(self._zones.connections))

    def observe(self, metrics: CollectorRegistry) -> None:
        """Measures how long rollouts take."""
        self._seconds = Histogram("ursa_rollout_seconds", "from a write to the last zone", ["stage"], registry=metrics)

    @property
    def newest(self) -> list[Revision]:
        """All remembered revisions, newest first."""
        return [self._revisions[number] for number in sorted(self._revisions, reverse=True)]

    def get(self, number: int) -> Revision | None:
        """One revision; one that is not remembered is None."""
        return self._revisions.get(number)

    def memory(self, zone: str) -> Memory | None:
        """What is known of a zone."""
        return self._zones.memories.get(zone)

    def report(self, zone: str, progress: ZoneProgress) -> Report | None:
        """What a zone says about its proxies."""
        memory = self.memory(zone)
        if memory is None or memory.reports is None or progress.report is None:
            return None
        return memory.reports.get(progress.report)

    def wire_names(self, key: ResourceKey) -> frozenset[str]:
        """Under which names zones know a resource."""
        offers = self._publisher.catalogue.of(key.kind)
        return frozenset(name for name, offer in offers.items() if offer.key == key)

    async def moved(self) -> None:
        """Returns when anything got further."""
        await self._moved.wait()

    async def run(self) -> None:
        """Remembers what is written until cancelled."""
        await self._live.ready.wait()
        subscription = self._live.subscribe("rollouts")
        try:
            # A subscription joins what happens at once; a revision is to be found under its own number.
            with self._live.following(self._remember):
                while True:
                    await subscription.next()
                    self._note(self._zones.connections)
        finally:
            subscription.close()

    def _remember(self, step: Step) -> None:
        for key, change in step.touched.changes.items():
            if not self._registry[key.kind].sync & (Sync.DOWN | Sync.ACROSS):
                continue
            number = change.after.version if change.after is not None else step.after.revision
            operation = "deleted" if change.after is None else "created" if change.before is None else "updated"
            revision = self._revisions.setdefault(number, Revision(number, self._clock.now_ns()))
            revision.changes.append(Changed(key, operation))
            self._pending.add(number)
        for old in sorted(self._revisions)[: -self._kept]:
            del self._revisions[old]
            self._pending.discard(old)

    def progress(self, zone: str, revision: Revision) -> ZoneProgress | None:
        """How a zone has come to a revision; None when it has not stored it."""
        known = revision.zones.get(zone)
        connection, memory = self._zones.connections.get(zone), self.memory(zone)
        if known is not None or connection is None or memory is None:
            return known
        if connection.sender.delivered_everything() < revision.number:
            return None
        # Not followed from the start: what the zone reports next after it contains it.
        return ZoneProgress(0, min((one for one in memory.reports or () if one >= revision.number), default=None))

    def _note(self, zones: Iterable[str]) -> None:
        """Looks how far some of the connected zones are."""
        if self._connected != self._zones.connections.keys():
            self._connected, self._pending = set(self._zones.connections), set(self._revisions)
            zones = self._zones.connections
        for name in zones if self._pending else ():
            connection = self._zones.connections.get(name)
            if connection is None:
                continue
            delivered = connection.sender.delivered_everything()
            for number in self._pending:
                revision = self._revisions[number]
                if number > delivered or name in revision.zones:
                    continue
                carried = [connection.sender.carried_by(kind, number) for kind in _kinds(revision.changes)]
                newest = max((one for one in carried if one is not None), default=None)
                revision.zones[name] = ZoneProgress(self._clock.now_ns(), newest)
        self._pending = {n for n in self._pending if self._connected - self._revisions[n].zones.keys()}
        self._measure()
        self._moved.set()
        self._moved = asyncio.Event()

    def _measure(self) -> None:
        if self._seconds is None or not self._zones.connections:
            return
        for revision in [one for one in self._revisions.values() if len(one.observed) < len(STAGES)]:
            for stage, reached in (("stored", self._is_stored), ("complete", self._is_complete)):
                if stage in revision.observed or not all(reached(revision, z) for z in self._zones.connections):
                    continue
                revision.observed.add(stage)
                self._seconds.labels(stage).observe((self._clock.now_ns() - revision.committed_at) / 1e9)

    def _is_stored(self, revision: Revision, zone: str) -> bool:
        return zone in revision.zones

    def _is_complete(self, revision: Revision, zone: str) -> bool:
        progress = revision.zones.get(zone)
        if progress is None:
            return False
        report = self.report(zone, progress)
        return progress.report is None or (report is not None and report.complete)


def _kinds(changes: Iterable[Changed]) -> set[str]:
    return {change.key.kind for change in changes}
