"""Which proxies a revision of the global concerns, and which of them have it: the zone's part of the rollout proof.

A revision is stored in one step of the view, that step changes the configuration of some proxies, and each of those
settles when it has acknowledged all of its newest configuration. What else happened in the same step counts, too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from kds.rollout_report import Report
from ursa.model.resource import ResourceKey
from ursa.runtime.clock import Clock

NONE_FAILED: Mapping[ResourceKey, str] = MappingProxyType({})

Publish: TypeAlias = Callable[[Collection[Report]], None]


@dataclass(frozen=True, slots=True)
class _Step:
    """A step of the plan, and the proxies it changed."""

    before: int
    after: int
    changed: frozenset[ResourceKey]
    failed: Mapping[ResourceKey, str]
    """Those that it should have changed but could not, with the reasons."""


@dataclass(slots=True)
class _Entry:
    """One revision of the global."""

    revision: int
    stored: int
    stored_at: int
    planned: bool = False
    waiting: dict[ResourceKey, int] = field(default_factory=dict)
    """Proxies that do not have it yet, with the revision of the view at which their configuration was changed."""
    acknowledged: set[ResourceKey] = field(default_factory=set)
    rejected: dict[ResourceKey, str] = field(default_factory=dict)

    def report(self) -> Report:
        return Report(
            self.revision,
            self.stored_at,
            affected=len(self.waiting) + len(self.acknowledged),
            acknowledged=len(self.acknowledged),
            rejected=len(self.rejected),
            planned=self.planned,
            reasons=tuple(dict.fromkeys(self.rejected.values())),
        )


class RolloutLedger:
    """Collects what the parts of a zone tell, and reports it in batches."""

    def __init__(self, clock: Clock, *, kept: int, pause: float) -> None:
        """Args: `kept` revisions are remembered; between two reports are at least `pause` seconds."""
        self._clock, self._kept, self._pause = clock, kept, pause
        self._entries: dict[int, _Entry] = {}
        self._steps: deque[_Step] = deque(maxlen=kept)
        self._settled: dict[ResourceKey, int] = {}
        self._reported: dict[int, Report] = {}
        self._changed = asyncio.Event()

    def stored(self, revision: int, view_revision: int) -> None:
        """A revision of the global is in the store as this revision of the zone."""
        entry = self._entries.setdefault(revision, _Entry(revision, view_revision, self._clock.now_ns()))
        entry.stored, entry.planned = max(entry.stored, view_revision), False
        # Who plans follows the view and may have been faster than the message that tells of it.
        for step in self._steps:
            self._concern(entry, step)
        for old in sorted(self._entries)[: -self._kept]:
            del self._entries[old]
        self._changed.set()

    def stepped(
        self,
        before: int,
        after: int,
        changed: Collection[ResourceKey],
        failed: Mapping[ResourceKey, str] = NONE_FAILED,
    ) -> None:
        """The plan was brought from one revision of the view to another.

        Args:
            before: the one.
            after: the other.
            changed: proxies that get another configuration.
            failed: those that should but keep the one they have, with the reasons.
        """
        step = _Step(before, after, frozenset(changed), dict(failed))
        self._steps.append(step)
        for entry in self._entries.values():
            self._concern(entry, step)

    def _concern(self, entry: _Entry, step: _Step) -> None:
        if not step.before < entry.stored <= step.after:
            return
        entry.planned = True
        for proxy in step.changed:
            if self._settled.get(proxy, -1) >= step.after:
                entry.acknowledged.add(proxy)
            else:
                entry.acknowledged.discard(proxy)
                entry.waiting[proxy] = step.after
        for proxy, reason in step.failed.items():
            entry.acknowledged.discard(proxy)
            entry.waiting[proxy], entry.rejected[proxy] = step.after, reason
        self._changed.set()

    def settled(self, proxy: ResourceKey, revision: int) -> None:
        """A proxy has acknowledged everything up to a revision of the view."""
        self._settled[proxy] = revision
        for entry in self._entries.values():
            if proxy in entry.waiting and entry.waiting[proxy] <= revision:
                del entry.waiting[proxy]
                entry.rejected.pop(proxy, None)
                entry.acknowledged.add(proxy)
                self._changed.set()

    def rejected(self, proxy: ResourceKey, reason: str) -> None:
        """A proxy refused something of its newest configuration."""
        for entry in self._entries.values():
            if proxy in entry.waiting:
                entry.rejected[proxy] = reason
                self._changed.set()

    def left(self, proxy: ResourceKey) -> None:
        """A proxy is gone; nobody waits for it any more."""
        self._settled.pop(proxy, None)
        for entry in self._entries.values():
            if entry.waiting.pop(proxy, None) is not None:
                entry.rejected.pop(proxy, None)
                self._changed.set()

    async def run(self, publish: Publish) -> None:
        """Reports what changed, in batches, until cancelled; nothing happens while nothing changes."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            reports = {revision: entry.report() for revision, entry in self._entries.items()}
            fresh = [report for revision, report in reports.items() if self._reported.get(revision) != report]
            if fresh or self._reported.keys() != reports.keys():
                self._reported = reports
                publish(list(reports.values()))
            await self._clock.sleep(self._pause)
