"""Stands between a control plane and its store, so that an outage is one event and not one per caller.

The first call that finds the store unavailable opens the circuit: from then on calls are refused at once, with the time
since when and the reason, and a single probe with jittered, growing pauses finds out when the store is back. What waits
by its nature (the change feed, a lease, the first read) waits through the outage and goes on where it was. So a control
plane keeps serving what it knows, and a store that comes back meets one probe per process instead of a stampede.

A store that is full is no outage: it is read, and what needs no room is written. Who writes is told, and so is status.

A store that is slow is no outage. Calls wait for it, in bounded number: whoever comes when too many wait is refused.

A store in the same process is never stampeded; there every call may try, and the first that succeeds ends the outage.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ursa.errors import Unavailable, UrsaError
from ursa.model.resource import Resource, ResourceKey
from ursa.model.timestamps import rfc3339
from ursa.runtime.clock import Clock
from ursa.runtime.tasks import Backoff, cancel_and_wait, spawn
from ursa.store.contract import Batch, Contents, Delete, Fenced, Full, Lease, Page, Store, Write
from ursa.store.wrapper import Wrapper

log = logging.getLogger(__name__)

T = TypeVar("T")

PROBES = Backoff(base=0.25, cap=5.0, jitter=0.5)
"""Pauses between probes during an outage, unless settings say otherwise."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A store that cannot be reached: since when (nanoseconds since the epoch) and what it said last."""

    since: int
    reason: str

    def __str__(self) -> str:
        return (
            f"the store is unavailable since {rfc3339(self.since)} ({self.reason}); "
            "this control plane serves what it knows and accepts no changes until the store is back"
        )


class GuardedStore(Wrapper):
    """See `Store`."""

    def __init__(
        self,
        inner: Store,
        clock: Clock,
        *,
        local: bool = False,
        place: str = "",
        max_waiting: int = 4096,
        probes: Backoff = PROBES,
    ) -> None:
        """Guards a store.

        Args:
            inner: the store.
            clock: time and chance.
            local: whether the store is in this process.
            place: says to people where the store is, unless it is in this process.
            max_waiting: calls that may wait for an answer at the same time.
            probes: pauses between looks during an outage.
        """
        self._max_waiting, self._probes = max_waiting, probes
        self._waiting: dict[object, int] = {}
        super().__init__(inner)
        self._place = place
        self._clock, self._local = clock, local
        self._back = asyncio.Event()
        self._back.set()
        self._probing: asyncio.Task[None] | None = None
        self._opened = self._closed = False
        self._began = 0.0
        self.outage: Outage | None = None
        """The outage that lasts now, if any."""
        self.outages = 0
        """Outages so far."""
        self.full: Outage | None = None
        """Since when the store has no room and in which words it said so, if that is so."""

    @property
    def waiting(self) -> int:
        """How many calls wait for an answer."""
        return len(self._waiting)

    @property
    def waiting_since(self) -> int | None:
        """Since when the one does that waits for longest, nanoseconds since the epoch."""
        return next(iter(self._waiting.values()), None)

    async def open(self) -> None:
        """Opens the store if it can be reached, else as soon as it can be; raises ConfigError."""
        if not self._local:
            # It may take a while until it is clear that nobody answers there.
            log.info("opening the store", extra={"store": self._place})
        try:
            await self._inner.open()
        except Unavailable as error:
            self._begin(error)
        else:
            self._opened = True

    async def close(self) -> None:
        self._closed = True
        self._back.set()
        if self._probing is not None:
            await cancel_and_wait(self._probing)
        await self._inner.close()

    async def get(self, key: ResourceKey) -> Resource:
        return await self._try(lambda: self._inner.get(key))

    async def list(
        self, kind: str, mesh: str | None = None, *, limit: int = 1000, after: tuple[str, str] | None = None
    ) -> Page:
        return await self._try(lambda: self._inner.list(kind, mesh, limit=limit, after=after))

    async def write(self, writes: Sequence[Write], *, fence: Lease | None = None) -> tuple[int, tuple[Resource, ...]]:
        written = await self._try(lambda: self._inner.write(writes, fence=fence))
        if self.full is not None and not all(isinstance(write, Delete) for write in writes):
            self.full = None
            log.info("the store has room again")
        return written

    async def revision(self) -> int:
        return await self._try(self._inner.revision)

    async def contents(self) -> Contents:
        """Waits through outages."""
        return await self._insist(self._inner.contents)

    async def acquire(self, name: str, holder: str, ttl: float) -> Lease:
        """Waits through outages."""
        return await self._insist(lambda: self._inner.acquire(name, holder, ttl))

    async def watch(self, revision: int) -> AsyncIterator[Batch]:
        """Waits through outages and goes on after the last batch."""
        while True:
            await self._until_back()
            try:
                async for batch in self._inner.watch(revision):
                    revision = batch.revision
                    yield batch
            except Unavailable as error:
                self._begin(error)

    async def _try(self, call: Callable[[], Awaitable[T]]) -> T:
        if self.outage is not None and not self._local:
            raise Unavailable(str(self.outage))
        if self.waiting >= self._max_waiting:
            raise Unavailable(f"the store is too slow: {self.waiting} calls wait for it; try again later")
        ticket = object()
        self._waiting[ticket] = self._clock.now_ns()
        try:
            result = await call()
        except Fenced:
            raise
        except Full as error:
            self._end()
            self._fill(error)
            raise
        except Unavailable as error:
            self._begin(error)
            raise
        finally:
            del self._waiting[ticket]
        self._end()
        return result

    async def _insist(self, call: Callable[[], Awaitable[T]]) -> T:
        attempt = 0
        while True:
            await self._until_back()
            try:
                return await call()
            except Full as error:
                self._fill(error)
                await self._clock.sleep(self._probes.delay(attempt, self._clock))
                attempt += 1
            except Unavailable as error:
                self._begin(error)

    async def _until_back(self) -> None:
        await self._back.wait()
        if self._closed:
            raise Unavailable("the store was closed")

    def _fill(self, error: Full) -> None:
        if self.full is None:
            log.warning("the store is full, it takes nothing that needs room", extra={"reason": str(error)})
        self.full = Outage(self.full.since if self.full else self._clock.now_ns(), str(error))

    def _begin(self, error: Unavailable) -> None:
        if self.outage is not None or self._closed:
            return
        self.outage = Outage(self._clock.now_ns(), str(error))
        self._began = self._clock.monotonic()
        self.outages += 1
        self._back.clear()
        self._probing = spawn(self._probe(), "store probe")
        log.warning("store unavailable, serving what is known", extra={"reason": str(error)})

    async def _probe(self) -> None:
        attempt = 0
        while self.outage is not None:
            await self._clock.sleep(self._probes.delay(attempt, self._clock))
            attempt += 1
            try:
                if not self._opened:
                    await self._inner.open()
                    self._opened = True
                await self._inner.revision()
            except UrsaError as error:
                if self.outage is not None:
                    self.outage = Outage(self.outage.since, str(error))
            else:
                self._end()

    def _end(self) -> None:
        if self.outage is not None:
            self.outage = None
            log.info("store available again", extra={"after_s": round(self._clock.monotonic() - self._began, 1)})
            self._back.set()
