"""Keeps a zone from losing everything because its global did.

A global whose store was lost comes back with a new identity and with nothing in it, and by the rules of the protocol
the zone would delete all it ever got. So while a global of another identity than before is new, what it has is taken
over and nothing is deleted for its sake; after a grace period its word counts in full.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from kds.requester import Delivery
from ursa.errors import Unavailable
from ursa.runtime.clock import Clock

log = logging.getLogger(__name__)


class NewGlobal:
    """What a zone knows about the identity of its global; lives as long as the process."""

    def __init__(self, grace: float, clock: Clock) -> None:
        self._grace, self._clock = grace, clock
        self._home = ""
        self._until: float | None = None
        self._spared = 0
        self._came = asyncio.Event()

    @property
    def spared(self) -> int:
        """How many resources exist only because the global is new."""
        return self._spared

    def start(self, stored: str) -> None:
        """A connection begins; `stored` is the identity of the global that this zone has in its store."""
        self._home = self._home or stored
        self._spared = 0

    def admit(self, delivery: Delivery) -> Delivery:
        """The delivery without its deletions while they must not be believed."""
        epoch = delivery.stamp.partition("@")[0]
        if not epoch or not self._home or epoch == self._home:
            return delivery
        if self._until is None:
            self._until = self._clock.monotonic() + self._grace
            log.warning("the global is another one", extra={"before": self._home, "now": epoch})
        if self._clock.monotonic() >= self._until:
            self._home, self._until = epoch, None
            return delivery
        self._spared += len(delivery.removed)
        self._came.set()
        return replace(delivery, removed=(), complete=False)

    async def over(self) -> None:
        """Waits until the grace is over, and raises Unavailable: what was spared has to be told again."""
        await self._came.wait()
        self._came.clear()
        if self._until is not None:
            await self._clock.sleep(max(0.0, self._until - self._clock.monotonic()))
        raise Unavailable("the global is no longer new: its deletions count from now on")
