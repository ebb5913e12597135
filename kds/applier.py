"""Writes what peers deliver: one transaction per delivery, repeated against a newer view when somebody was faster."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from types import MappingProxyType

from kds.ownership import Ownership
from kds.reconcile import Plan, reconcile
from kds.requester import Delivery
from kds.watermarks import Received
from ursa.errors import Conflict, NotFound, Unavailable
from ursa.model.kind import Registry
from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.clock import Clock
from ursa.store.contract import Store
from ursa.store.portions import portions
from ursa.view.live import LiveView

log = logging.getLogger(__name__)

ATTEMPTS = 10
"""How often a plan is made anew before the stream gives up; each loss means that another writer succeeded."""


class Applier:
    """Brings the store in line with what one peer sends."""

    def __init__(self, store: Store, live: LiveView, registry: Registry, clock: Clock, ownership: Ownership) -> None:
        self._store, self._live, self._registry, self._clock = store, live, registry, clock
        self._ownership = ownership
        self._marks: dict[str, Received] = {}
        self._refused: dict[ResourceKey, Resource] = {}
        self._writing = asyncio.Lock()

    @property
    def marks(self) -> Mapping[str, Received]:
        """Watermarks by type."""
        return MappingProxyType(self._marks)

    async def apply(self, delivery: Delivery) -> Mapping[ResourceKey, str]:
        """Writes what can be written and returns what was refused, with reasons, for the answer.

        Raises:
            Unavailable: the store cannot be reached, or other writers always came first.
        """
        problems = dict(delivery.quarantined)
        async with self._writing:
            if delivery.kind in self._registry and (delivery.resources or delivery.removed or delivery.complete):
                plan = await self._write(delivery)
                problems |= plan.conflicts
                self._remember(delivery, plan)
        self._note(delivery, problems)
        return problems

    async def retry_refused(self) -> None:
        """Takes a refused resource as soon as what stood in its way is gone: the peer will not send it again."""
        subscription = self._live.subscribe("kds applier")
        try:
            while True:
                step = await subscription.next()
                for key in step.touched.keys & self._refused.keys():
                    await self.apply(Delivery(key.kind, "", complete=False, resources=(self._refused[key],)))
        finally:
            subscription.close()

    def _remember(self, delivery: Delivery, plan: Plan) -> None:
        """Keeps what was refused, forgets what was refused before and is no longer."""
        if delivery.complete:
            self._refused = {k: r for k, r in self._refused.items() if k.kind != delivery.kind}
        for key in (*(r.key for r in delivery.resources), *delivery.removed):
            self._refused.pop(key, None)
        self._refused.update((r.key, r) for r in delivery.resources if self._ownership.rename(r.key) in plan.conflicts)

    async def _write(self, delivery: Delivery) -> Plan:
        kind = self._registry[delivery.kind]
        for _ in range(ATTEMPTS):
            plan = reconcile(delivery, kind, self._live.current, self._ownership)
            try:
                # In portions, because a first synchronisation must not lock out everybody else.
                for portion in portions(plan.writes):
                    revision, _stored = await self._store.write(portion)
                    # The next delivery is compared with the view, so the view must have seen this one.
                    await self._live.wait_for(revision)
            except (Conflict, NotFound):
                await self._live.wait_for(await self._store.revision())
            else:
                return plan
        raise Unavailable(f"cannot store {delivery.kind}: other writers always came first")

    def _note(self, delivery: Delivery, problems: Mapping[ResourceKey, str]) -> None:
        mark = self._marks.setdefault(delivery.kind, Received())
        mark.responses += 1
        mark.revision, mark.applied_at = self._live.current.revision, self._clock.now_ns()
        for key in (*(r.key for r in delivery.resources), *delivery.removed):
            mark.quarantined.pop(str(key), None)
        mark.quarantined.update({str(key): reason for key, reason in problems.items()})
        if problems:
            refused = {str(key): reason for key, reason in problems.items()}
            log.warning("synced resources refused", extra={"type": delivery.kind, "refused": refused})
