"""What engines on a server promise on top: several processes, a server that goes away, comes back, or is empty."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.contract.places import SharedPlace, opened
from tests.contract.samples import by_name, names, take, timeout
from ursa.errors import Unavailable
from ursa.runtime.clock import SystemClock
from ursa.store.contract import Batch, Compacted, Create, Fenced, Store, Update, create, delete, update


async def until_it_works(store: Store) -> None:
    """Waits for the server to be found again, as any caller that tries later does."""
    async with asyncio.timeout(30):
        while True:
            try:
                await store.revision()
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                return


async def test_processes_see_each_other(shared: SharedPlace) -> None:
    async with opened(shared) as one, opened(shared) as two:
        first = await create(one, timeout("x"))
        watching = asyncio.create_task(take(two, first.version, 40))
        await asyncio.gather(
            *(create(one, timeout(f"a{i}")) for i in range(20)), *(create(two, timeout(f"b{i}")) for i in range(20))
        )
        seen = await watching
        assert [b.revision for b in seen] == sorted({b.revision for b in seen})
        assert sorted(names(seen)) == sorted(f"{c}{i}" for c in "ab" for i in range(20))
        assert await one.revision() == await two.revision() == seen[-1].revision
        assert by_name((await one.contents()).resources) == by_name((await two.contents()).resources)


async def test_processes_compete_fairly_for_one_resource(shared: SharedPlace) -> None:
    async with opened(shared) as one, opened(shared) as two:
        results = await asyncio.gather(
            *(create(store, timeout("x", f"{i}s")) for i in range(10) for store in (one, two)), return_exceptions=True
        )
        assert sorted(type(r).__name__ for r in results) == ["AlreadyExists"] * 19 + ["Resource"]
        before = await one.revision()
        await asyncio.gather(
            *(update(store, timeout("x", f"{i}{unit}")) for i in range(20) for store, unit in ((one, "h"), (two, "m")))
        )
        assert len(await take(one, before, 40)) == 40


async def test_competition_for_one_resource_stops_no_other(shared: SharedPlace) -> None:
    async with opened(shared) as one, opened(shared) as two:
        await create(one, timeout("contested", "0s"))

        async def compete(store: Store, unit: str) -> None:
            for number in range(20):
                await update(store, timeout("contested", f"{number}{unit}"))

        async def go_on(store: Store, who: str) -> None:
            for number in range(20):
                await create(store, timeout(f"{who}{number}"))

        rivals = [compete(one, "h"), compete(two, "m")]
        others = [go_on(store, f"{who}-{i}-") for who, store in (("one", one), ("two", two)) for i in range(10)]
        await asyncio.gather(*rivals, *others)
        assert len((await one.contents()).resources) == 401


async def test_a_group_that_holds_a_lost_lease_loses_only_its_own_writes(shared: SharedPlace) -> None:
    async with opened(shared) as store:
        lost = await store.acquire("leader", "one", 10)
        await lost.release()
        held = await store.acquire("leader", "two", 10)
        results = await asyncio.gather(
            *(store.write([Create(timeout(f"t{i}"))], fence=(None, lost, held)[i % 3]) for i in range(30)),
            return_exceptions=True,
        )
        assert [type(r).__name__ for r in results] == ["tuple", "Fenced", "tuple"] * 10
        assert {r.name for r in (await store.contents()).resources} == {f"t{i}" for i in range(30) if i % 3 != 1}
        await held.release()


async def test_a_dead_holder_is_followed_by_another(shared: SharedPlace) -> None:
    async with opened(shared) as two:
        one = shared.make()
        await one.open()
        first = await one.acquire("leader", "one", 2)
        await one.close()
        async with asyncio.timeout(20):
            second = await two.acquire("leader", "two", 2)
        assert second.token > first.token
        assert not first.held
        with pytest.raises(Fenced):
            await two.write([], fence=first)
        await second.release()


async def test_a_leader_that_slept_wakes_up_fenced(shared: SharedPlace) -> None:
    sleeper = shared.make(Asleep())
    await sleeper.open()
    async with opened(shared) as two:
        first = await sleeper.acquire("leader", "one", 2)
        await sleeper.write([Create(timeout("x"))], fence=first)
        async with asyncio.timeout(20):
            second = await two.acquire("leader", "two", 2)
        assert first.held, "it has not noticed anything"
        with pytest.raises(Fenced):
            await sleeper.write([Update(timeout("x", "9s"))], fence=first)
        assert (await two.get(timeout("x").key)).same_content(timeout("x"))
        await two.write([Update(timeout("x", "8s"))], fence=second)
        await second.release()
    await sleeper.close()


class Asleep(SystemClock):
    """The clock of a process that was stopped: no time passes, no sleep ends."""

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.Event().wait()


async def test_a_lease_outlives_its_time_to_live_while_it_is_renewed(shared: SharedPlace) -> None:
    async with opened(shared) as one, opened(shared) as two:
        first = await one.acquire("leader", "one", 2)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await two.acquire("leader", "two", 2)
        assert first.held
        waiting = asyncio.create_task(two.acquire("leader", "two", 30))
        await asyncio.sleep(0.2)
        await first.release()
        async with asyncio.timeout(1.5):
            await (await waiting).release()


async def test_a_holder_cut_off_from_the_server_stops_before_another_starts(shared: SharedPlace) -> None:
    async with opened(shared) as one:
        lease = await one.acquire("leader", "one", 2)
        shared.freeze()
        async with asyncio.timeout(20):
            await lease.lost()
        assert not lease.held
        shared.thaw()
        await until_it_works(one)
        async with asyncio.timeout(20):
            again = await one.acquire("leader", "one", 2)
        assert again.token > lease.token
        await again.release()


async def test_a_write_whose_answer_was_lost_happens_once_and_is_told_as_done(
    shared: SharedPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(shared) as store:
        first = await create(store, timeout("x", "0s"))
        spare = await create(store, timeout("spare"))
        # Made a second time, each of these would be refused or show twice.
        with monkeypatch.context() as patch:
            shared.lose_answer(store, patch)
            second = await create(store, timeout("y"))
        with monkeypatch.context() as patch:
            shared.lose_answer(store, patch)
            third = await update(store, timeout("x", "1s"), first.version)
        with monkeypatch.context() as patch:
            shared.lose_answer(store, patch)
            await delete(store, spare.key, spare.version)
        last = await create(store, timeout("last"))
        seen = await take(store, spare.version, 4)
        assert names(seen) == ["y", "x", "spare", "last"]
        assert [b.changes[0].after for b in seen] == [second, third, None, last]


async def test_a_watch_survives_a_restart_of_the_server_without_a_gap(shared: SharedPlace) -> None:
    async with opened(shared) as store:
        first = await create(store, timeout("before"))
        seen: list[Batch] = []
        watching = asyncio.create_task(follow(store, first.version, seen))
        written = [(await create(store, timeout(f"a{i}"))).name for i in range(5)]
        await shared.kill()
        with pytest.raises(Unavailable):
            await create(store, timeout("never"))
        await shared.start()
        await until_it_works(store)
        written += [(await create(store, timeout(f"b{i}"))).name for i in range(5)]
        await reached(lambda: names(seen) == written)
        watching.cancel()
        assert await store.get(first.key) == first


async def reached(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - a condition of the test, not an event
            await asyncio.sleep(0.05)


async def follow(store: Store, revision: int, seen: list[Batch]) -> None:
    """What a live view does: goes on where it was, whenever the store says that it cannot be reached."""
    while True:
        try:
            async for batch in store.watch(revision):
                seen.append(batch)
                revision = batch.revision
        except Unavailable:
            await asyncio.sleep(0.05)


async def test_a_server_that_is_away_is_unavailable_and_found_again(shared: SharedPlace) -> None:
    async with opened(shared) as store:
        stored = await create(store, timeout("x"))
        await shared.kill()
        for attempt in (
            store.get(stored.key),
            store.list("MeshTimeout"),
            store.contents(),
            store.revision(),
            update(store, timeout("x", "9s")),
            store.acquire("leader", "one", 5),
            take(store, stored.version, 1),
        ):
            with pytest.raises(Unavailable):
                await attempt
        other = shared.make()
        with pytest.raises(Unavailable):
            await other.open()
        await other.close()
        await shared.start()
        await until_it_works(store)
        assert (await store.contents()).resources == (stored,)


async def test_a_watcher_from_before_the_compaction_is_told_so(
    shared: SharedPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(shared) as store:
        first = await create(store, timeout("t0"))
        for i in range(1, 30):
            await create(store, timeout(f"t{i}"))
        await shared.forget_history(store, monkeypatch)
        with pytest.raises(Compacted):
            await take(store, first.version, 1)
        contents = await store.contents()
        assert len(contents.resources) >= 30
        after = await create(store, timeout("later"))
        assert (await take(store, contents.revision, 1))[0].changes[0].after == after


async def test_a_server_that_lost_everything_is_not_believed(shared: SharedPlace) -> None:
    async with opened(shared) as store:
        stored = await create(store, timeout("x"))
        await shared.wipe()
        for attempt in (
            store.contents(),
            store.revision(),
            take(store, stored.version, 1),
            create(store, timeout("y")),
        ):
            with pytest.raises(Unavailable, match="another store"):
                await attempt
        async with opened(shared) as fresh:
            await create(fresh, timeout("z"))
            with pytest.raises(Unavailable, match="another store"):
                await store.contents()
            with pytest.raises(Unavailable, match="another store"):
                await create(store, timeout("y"))
            assert [r.name for r in (await fresh.contents()).resources] == ["z"]


async def test_idle_stores_end_cleanly(shared: SharedPlace) -> None:
    async with opened(shared) as store:
        await create(store, timeout("x"))
        watching = asyncio.create_task(take(store, await store.revision(), 1, patience=60))
        holding = await store.acquire("leader", "one", 30)
        waiting = asyncio.create_task(store.acquire("leader", "two", 30))
        await asyncio.sleep(0.1)
    with pytest.raises(Unavailable):
        await watching
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not holding.held


async def test_a_jumping_clock_neither_ends_nor_prolongs_a_lease(shared: SharedPlace) -> None:
    clock = Jumping()
    one = shared.make(clock)
    await one.open()
    lease = await one.acquire("leader", "one", 3)
    for clock.offset in (-86_400 * 10**9, 86_400 * 10**9):
        await asyncio.sleep(1.5)
        assert lease.held
    await lease.release()
    await one.close()


class Jumping(SystemClock):
    """A wall clock that somebody sets."""

    offset = 0

    def now_ns(self) -> int:
        return super().now_ns() + self.offset
