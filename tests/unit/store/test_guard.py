"""An outage of the store is one event: refused at once, probed by one, over for all."""

from __future__ import annotations

import asyncio

import pytest

from ursa.errors import Unavailable
from ursa.model.resource import Resource
from ursa.runtime.clock import SystemClock
from ursa.runtime.tasks import Backoff
from ursa.store.contract import Contents, Create, Fenced, Full, Lease, create, delete
from ursa.store.guard import GuardedStore
from ursa.store.led import LedStore
from ursa.store.memory import MemoryStore


class Flaky(MemoryStore):
    """A store whose server comes and goes."""

    def __init__(self, clock: SystemClock) -> None:
        super().__init__(clock)
        self.away = False
        self.calls = 0

    def _reach(self) -> None:
        self.calls += 1
        if self.away:
            raise Unavailable("connection refused")

    async def open(self) -> None:
        self._reach()

    async def revision(self) -> int:
        self._reach()
        return await super().revision()

    async def contents(self) -> Contents:
        self._reach()
        return await super().contents()

    async def write(self, writes, *, fence=None):  # type: ignore[no-untyped-def]
        self._reach()
        return await super().write(writes, fence=fence)


class Patient(SystemClock):
    """Sleeps until the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []
        self.go = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await self.go.wait()
        self.go.clear()


def thing(name: str) -> Resource:
    return Resource("Config", "", name)


async def test_many_callers_cost_an_absent_store_one_call() -> None:
    clock = Patient()
    inner = Flaky(clock)
    store = GuardedStore(inner, clock)
    await store.open()
    inner.away, inner.calls = True, 0
    for _ in range(100):
        with pytest.raises(Unavailable):
            await create(store, thing("x"))
    assert inner.calls == 1
    with pytest.raises(Unavailable, match=r"since 20\d\d-.*connection refused"):
        await store.revision()
    assert store.outages == 1
    await store.close()


async def test_probes_grow_apart_and_the_first_success_ends_the_outage() -> None:
    clock = Patient()
    inner = Flaky(clock)
    inner.away = True
    store = GuardedStore(inner, clock)
    await store.open()
    loading = asyncio.create_task(store.contents())
    for _ in range(8):
        await asyncio.sleep(0)
        clock.go.set()
        await asyncio.sleep(0.001)
    assert not loading.done()
    assert inner.calls == 9
    assert 0.1 < clock.slept[0] < 0.4 and 2.5 <= clock.slept[7] <= 7.5
    inner.away = False
    clock.go.set()
    assert (await loading).resources == ()
    assert store.outage is None
    await create(store, thing("x"))
    await store.close()


async def test_a_watch_goes_on_after_an_outage() -> None:
    clock = Patient()
    inner = Flaky(clock)
    store = GuardedStore(inner, clock)
    await store.open()
    seen: list[int] = []

    async def follow() -> None:
        async for batch in store.watch(0):
            seen.append(batch.revision)  # noqa: PERF401 - it never ends

    following = asyncio.create_task(follow())
    await create(store, thing("a"))
    await asyncio.sleep(0.01)
    inner.away = True
    with pytest.raises(Unavailable):
        await create(store, thing("b"))
    inner.away = False
    clock.go.set()
    await asyncio.sleep(0.01)
    await create(store, thing("c"))
    await asyncio.sleep(0.01)
    assert seen == [1, 2]
    await store.close()
    with pytest.raises(Unavailable):
        await following


async def test_a_lost_lease_is_no_outage() -> None:
    store = GuardedStore(Flaky(SystemClock()), SystemClock())
    await store.open()
    led = LedStore(store)
    with pytest.raises(Fenced):
        await led.write([Create(thing("x"))])
    led.lease = await led.acquire("leader", "one", 10)
    await led.write([Create(thing("x"))])
    await led.lease.release()
    with pytest.raises(Fenced):
        await led.write([Create(thing("y"))])
    assert store.outage is None
    await store.close()


async def test_what_waits_for_a_slow_store_is_bounded_and_no_outage() -> None:
    inner, answering = Flaky(SystemClock()), asyncio.Event()

    class Slow(MemoryStore):
        async def revision(self) -> int:
            await answering.wait()
            return await inner.revision()

    store = GuardedStore(Slow(SystemClock()), SystemClock(), max_waiting=3)
    await store.open()
    waiting = [asyncio.create_task(store.revision()) for _ in range(3)]
    await asyncio.sleep(0)
    assert store.waiting == 3 and store.waiting_since
    with pytest.raises(Unavailable, match="too slow: 3 calls wait"):
        await store.revision()
    waiting.pop().cancel()
    await asyncio.sleep(0)
    assert store.waiting == 2
    answering.set()
    assert await asyncio.gather(*waiting, store.revision()) == [0, 0, 0]
    assert (store.waiting, store.waiting_since, store.outages) == (0, None, 0)
    await store.close()


async def test_a_full_store_is_no_outage() -> None:
    class Narrow(MemoryStore):
        room = False

        async def write(self, writes, *, fence=None):  # type: ignore[no-untyped-def]
            if not self.room and any(isinstance(write, Create) for write in writes):
                raise Full("no room")
            return await super().write(writes, fence=fence)

        async def acquire(self, name: str, holder: str, ttl: float) -> Lease:
            if not self.room:
                raise Full("no room for a lease")
            return await super().acquire(name, holder, ttl)

    clock = Patient()
    store = Narrow(clock)
    guarded = GuardedStore(store, clock, probes=Backoff(0.25, 5.0, 0.0))
    await guarded.open()
    store.room = True
    spare = await create(guarded, Resource("Mesh", "", "spare"))
    store.room = False
    for _ in range(2):
        with pytest.raises(Full):
            await create(guarded, Resource("Mesh", "", "m"))
    assert guarded.full is not None and guarded.full.reason == "no room"
    since = guarded.full.since
    await delete(guarded, spare.key)
    assert guarded.full is not None and guarded.full.since == since, "a deletion needs no room"
    leading = asyncio.create_task(guarded.acquire("leader", "one", 5))
    for _ in range(3):
        await asyncio.sleep(0)
        clock.go.set()
        await asyncio.sleep(0)
    assert guarded.outage is None and guarded.outages == 0
    assert clock.slept[:3] == [0.25, 0.5, 1.0], "it asks less and less often"
    store.room = True
    clock.go.set()
    lease = await leading
    await create(guarded, Resource("Mesh", "", "m"))
    assert guarded.full is None
    await lease.release()
    await guarded.close()
