"""Writes what peers deliver: one transaction per delivery, repeated against a newer view when somebody was faster.

What cannot be written is put aside with its reason and tried again alone, when something at its place changes and ever
more rarely in between; everything else goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from kds.metrics import SyncObserver
from kds.ownership import Ownership
from kds.reconcile import Plan, reconcile
from kds.refusals import Pace
from kds.requester import Delivery
from kds.waiting import within
from kds.watermarks import Received
from ursa.errors import Conflict, NotFound, Unavailable, UrsaError
from ursa.model.kind import Kind, Registry
from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.clock import Clock
from ursa.runtime.tasks import cancel_and_wait, spawn
from ursa.store.contract import Create, Delete, Store, Update, Write
from ursa.store.portions import portions
from ursa.view.live import LiveView, Step, Subscription

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Aside:
    """A resource that could not be written."""

    sent: Resource
    attempts: int
    due: float
    """When it is tried again, on the clock that never jumps."""


class Applier:
    """Brings the store in line with what one peer sends."""

    def __init__(
        self,
        store: Store,
        live: LiveView,
        registry: Registry,
        clock: Clock,
        ownership: Ownership,
        pace: Pace | None = None,
        *,
        on_stored: Callable[[str, int], None] = lambda _stamp, _revision: None,
        admit: Callable[[Delivery], Delivery] = lambda delivery: delivery,
        attempts: int = 10,
        observer: SyncObserver | None = None,
    ) -> None:
        """Args:
        store: to write to.
        live: view of that store.
        registry: all kinds.
        clock: time.
        ownership: what the peer may change.
        pace: at which refused resources are tried again.
        on_stored: told the stamp of a delivery and the revision at which it was stored.
        admit: what of a delivery is to be believed.
        attempts: how often a plan is made anew, because other writers won, before its writes are tried one by one.
        observer: is told how long writes take.
        """
        self._store, self._live, self._registry, self._clock = store, live, registry, clock
        self._ownership, self._pace, self._on_stored = ownership, pace or Pace(), on_stored
        self._admit, self._attempts, self._observer = admit, attempts, observer or SyncObserver()
        self._marks: dict[str, Received] = {}
        self._aside: dict[ResourceKey, Aside] = {}
        self._writing = asyncio.Lock()
        self._changed = asyncio.Event()

    @property
    def marks(self) -> Mapping[str, Received]:
        """Watermarks by type."""
        return MappingProxyType(self._marks)

    async def apply(self, delivery: Delivery) -> Mapping[ResourceKey, str]:
        """Writes what can be written and returns what was refused, with reasons, for the answer.

        Raises:
            Unavailable: the store cannot be reached.
        """
        delivery = self._admit(delivery)
        problems = {self._ownership.rename(key): reason for key, reason in delivery.quarantined.items()}
        async with self._writing:
            if delivery.kind in self._registry and (delivery.resources or delivery.removed or delivery.complete):
                began = self._clock.monotonic()
                plan = await self._write(delivery)
                self._observer.applied(self._clock.monotonic() - began)
                problems |= plan.conflicts
                self._remember(delivery, plan)
        if delivery.kind in self._registry:
            self._note(delivery, problems)
            if delivery.stamp and (delivery.resources or delivery.removed):
                self._on_stored(delivery.stamp, self._live.current.revision)
        return problems

    async def retry_refused(self) -> None:
        """Takes a refused resource as soon as what stood in its way is gone: the peer may not send it again."""
        subscription = self._live.subscribe("kds applier")
        try:
            while True:
                self._changed.clear()
                due = min((aside.due for aside in self._aside.values()), default=None)
                wait = None if due is None else due - self._clock.monotonic()
                step = await within(self._next(subscription), wait, self._clock)
                touched = step.touched.keys if step is not None else frozenset()
                now = self._clock.monotonic()
                for key, aside in list(self._aside.items()):
                    if key in touched or aside.due <= now:
                        sent = aside.sent
                        await self.apply(Delivery(sent.kind, "", complete=False, resources=(sent,)))
        finally:
            subscription.close()

    async def _next(self, subscription: Subscription) -> Step | None:
        """The next change, None when there is something else to wait for."""
        step = spawn(subscription.next(), "kds applier: change")
        other = spawn(self._changed.wait(), "kds applier: put aside")
        try:
            await asyncio.wait((step, other), return_when=asyncio.FIRST_COMPLETED)
            return step.result() if step.done() else None
        finally:
            await cancel_and_wait(step, other)

    def _remember(self, delivery: Delivery, plan: Plan) -> None:
        """Keeps what was refused, forgets what was refused before and is no longer."""
        before = dict(self._aside)
        if delivery.complete:
            self._aside = {key: aside for key, aside in before.items() if key.kind != delivery.kind}
        for key in (*(r.key for r in delivery.resources), *delivery.removed):
            self._aside.pop(self._ownership.rename(key), None)
        for sent in delivery.resources:
            key = self._ownership.rename(sent.key)
            if key in plan.conflicts:
                attempts = before[key].attempts + 1 if key in before else 0
                self._aside[key] = Aside(sent, attempts, self._clock.monotonic() + self._pace.delay(attempts) / 1e9)
        self._changed.set()

    async def _write(self, delivery: Delivery) -> Plan:
        kind = self._registry[delivery.kind]
        for _ in range(self._attempts):
            plan = reconcile(delivery, kind, self._live.current, self._ownership)
            try:
                # In portions, because a first synchronisation must not lock out everybody else.
                for portion in portions(plan.writes):
                    await self._store_and_see(portion)
            except (Conflict, NotFound):
                await self._live.wait_for(await self._store.revision())
            except Unavailable:
                raise
            except UrsaError:
                break
            else:
                return plan
        return await self._one_by_one(delivery, kind)

    async def _one_by_one(self, delivery: Delivery, kind: Kind) -> Plan:
        """Writes what can be written when one of the writes spoils the whole."""
        plan = reconcile(delivery, kind, self._live.current, self._ownership)
        refused: dict[ResourceKey, str] = {}
        for write in plan.writes:
            try:
                await self._store_and_see([write])
            except Unavailable:
                raise
            except UrsaError as error:
                refused[_key_of(write)] = f"{_key_of(write)} cannot be stored: {error}"
        return Plan(plan.writes, {**plan.conflicts, **refused})

    async def _store_and_see(self, writes: Sequence[Write]) -> None:
        revision, _ = await self._store.write(writes)
        # The next delivery is compared with the view, so the view must have seen this one.
        await self._live.wait_for(revision)

    def _note(self, delivery: Delivery, problems: Mapping[ResourceKey, str]) -> None:
        mark = self._marks.setdefault(delivery.kind, Received())
        if delivery.nonce:
            mark.responses += 1
        mark.revision, mark.applied_at = self._live.current.revision, self._clock.now_ns()
        for key in (*(r.key for r in delivery.resources), *delivery.removed):
            mark.quarantined.pop(str(self._ownership.rename(key)), None)
        refused = {str(key): reason for key, reason in problems.items()}
        if any(mark.quarantined.get(key) != reason for key, reason in refused.items()):
            log.warning("synced resources refused", extra={"type": delivery.kind, "refused": refused})
        mark.quarantined.update(refused)


def _key_of(write: Write) -> ResourceKey:
    match write:
        case Create(resource) | Update(resource):
            return resource.key
        case Delete(key):
            return key
