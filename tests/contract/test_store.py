"""The promises of `ursa.store.contract`, for every engine."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.contract.places import DurablePlace, Place, SqlitePlace, opened
from tests.contract.samples import by_name, names, take, timeout
from ursa.errors import AlreadyExists, ConfigError, Conflict, NotFound, Unavailable
from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.clock import SystemClock
from ursa.store.contract import (
    MAX_WRITES,
    Compacted,
    Create,
    Delete,
    Fenced,
    Full,
    Store,
    TooLarge,
    Update,
    Write,
    create,
    delete,
    update,
)
from ursa.store.sqlite import SqliteStore
from ursa.store.tuning import Tuning


async def test_stores_what_was_written(store: Store) -> None:
    stored = await create(store, timeout("x"))
    assert stored.version == await store.revision() > 0
    assert stored.created == stored.modified > 0
    assert await store.get(stored.key) == stored
    assert stored.same_content(timeout("x"))


async def test_revisions_only_grow_and_versions_follow(store: Store) -> None:
    first = await create(store, timeout("x"))
    second = await create(store, timeout("y"))
    third = await update(store, timeout("x", "6s"))
    assert first.version < second.version < third.version
    assert third.created == first.created


async def test_create_twice_is_refused(store: Store) -> None:
    await create(store, timeout("x"))
    with pytest.raises(AlreadyExists):
        await create(store, timeout("x", "7s"))
    assert (await store.get(timeout("x").key)).same_content(timeout("x"))


async def test_expected_version_is_a_compare_and_set(store: Store) -> None:
    seen = await create(store, timeout("x"))
    await update(store, timeout("x", "6s"), seen.version)
    with pytest.raises(Conflict):
        await update(store, timeout("x", "7s"), seen.version)
    with pytest.raises(Conflict):
        await delete(store, seen.key, seen.version)


async def test_missing_things_are_not_found(store: Store) -> None:
    key = ResourceKey("MeshTimeout", "default", "nothing")
    with pytest.raises(NotFound):
        await store.get(key)
    with pytest.raises(NotFound):
        await delete(store, key)
    with pytest.raises(NotFound):
        await update(store, timeout("nothing"))


async def test_a_transaction_happens_as_a_whole(store: Store) -> None:
    await create(store, timeout("taken"))
    before = await store.revision()
    with pytest.raises(AlreadyExists):
        await store.write([Create(timeout("new")), Create(timeout("taken"))])
    assert await store.revision() == before
    with pytest.raises(NotFound):
        await store.get(timeout("new").key)
    revision, stored = await store.write([Create(timeout("a")), Update(timeout("taken", "9s"))])
    assert {r.version for r in stored} == {revision}
    assert revision > before


async def test_a_write_without_change_is_not_stored(store: Store) -> None:
    first = await create(store, timeout("x"))
    again = await update(store, timeout("x"))
    assert again == first
    assert await store.revision() == first.version


async def test_lists_in_pages_by_mesh_and_name(store: Store) -> None:
    for mesh in ("m2", "m1"):
        for name in ("c", "a", "b"):
            await create(store, timeout(name, mesh=mesh))
    seen: list[tuple[str, str]] = []
    after = None
    while True:
        page = await store.list("MeshTimeout", limit=4, after=after)
        seen += [(r.mesh, r.name) for r in page.items]
        if page.after is None:
            break
        after = page.after
    assert seen == sorted((m, n) for m in ("m1", "m2") for n in "abc")
    assert len((await store.list("MeshTimeout", "m1")).items) == 3
    assert (await store.list("MeshRetry")).items == ()


async def test_watch_replays_everything_in_order_and_goes_on(store: Store) -> None:
    await create(store, timeout("x"))
    contents = await store.contents()
    second = await update(store, timeout("x", "6s"))
    await delete(store, timeout("x").key)
    third = await store.revision()
    watching = asyncio.create_task(take(store, contents.revision, 3))
    await asyncio.sleep(0)
    fourth = await create(store, timeout("y"))
    batches = await watching
    assert [b.revision for b in batches] == [second.version, third, fourth.version]
    assert [[c.after and c.after.name for c in b.changes] for b in batches] == [["x"], [None], ["y"]]
    assert batches[1].changes[0].key == timeout("x").key
    assert [b.changes[0].after for b in batches] == [second, None, fourth]


async def test_the_feed_is_resumed_at_any_revision_without_gap_or_repetition(store: Store) -> None:
    # Writes that wait together may share a revision; whoever goes on after any revision still gets each write once.
    before = (await create(store, timeout("shared", "0s"))).version
    writes: list[list[Write]] = [[Create(timeout(f"t{i}"))] for i in range(40)]
    writes += [[Create(timeout(f"u{i}")), Create(timeout(f"v{i}"))] for i in range(10)]
    writes += [[Update(timeout("shared", f"{i}s"))] for i in range(1, 11)]
    results = await asyncio.gather(*(store.write(write) for write in writes))
    await store.write([Delete(timeout("t0").key), Update(timeout("t1", "9s"))])
    everything = await take(store, before, 72)
    history = [(b.revision, change.key, change.after) for b in everything for change in b.changes]
    assert len(history) == 72
    for revision in [before, *(batch.revision for batch in everything[:-1])]:
        rest = [one for one in history if one[0] > revision]
        found = await take(store, revision, len(rest))
        assert [(b.revision, change.key, change.after) for b in found for change in b.changes] == rest
    for write, (revision, stored) in zip(writes, results, strict=True):
        assert {r.version for r in stored} == {revision}
        at_once = {key for at, key, _ in history if at == revision}
        assert {resource.key for resource in stored} <= at_once, f"{write} is not at the revision it was given"


async def test_a_full_read_shows_one_moment_while_writes_go_on(store: Store) -> None:
    # So many that a full read takes several steps; what one transaction writes lies at both ends.
    await store.write([Create(timeout(f"n{i:04}")) for i in range(1200)])
    ends = [Resource("Aaa", "default", "first"), Resource("Zzz", "default", "last")]
    await store.write([Create(resource) for resource in ends])
    stop = asyncio.Event()

    async def write_on() -> int:
        for number in itertools.count(1):
            revision, _ = await store.write([Update(resource.with_spec({"n": number})) for resource in ends])
            if stop.is_set():
                return revision
            await asyncio.sleep(0)
        raise AssertionError

    writing = asyncio.create_task(write_on())
    seen = []
    for _ in range(12):
        contents = await store.contents()
        values = {r.kind: r.spec.get("n", 0) for r in contents.resources if r.kind in ("Aaa", "Zzz")}
        seen.append((contents.revision, values["Aaa"], values["Zzz"], len(contents.resources)))
        await asyncio.sleep(0)
    stop.set()
    last = await writing
    for revision, first, second, count in seen:
        assert first == second and count == 1202
        if revision < last:
            (batch, *_) = await take(store, revision, 1)
            assert [change.after and change.after.spec["n"] for change in batch.changes] == [first + 1] * 2


async def test_concurrent_writers_lose_nothing(store: Store) -> None:
    before = await store.revision()
    stored = await asyncio.gather(*(create(store, timeout(f"t{i}")) for i in range(50)))
    assert by_name((await store.contents()).resources) == by_name(stored)
    batches = await take(store, before, 50)
    assert [b.revision for b in batches] == sorted({r.version for r in stored})
    assert all(c.after and c.after.version == b.revision for b in batches for c in b.changes)
    assert sorted(names(batches)) == sorted(r.name for r in stored)
    assert await store.revision() == batches[-1].revision


async def test_writers_of_one_resource_take_turns(store: Store) -> None:
    await create(store, timeout("x", "0s"))

    async def add_one() -> None:
        while True:
            seen = await store.get(timeout("x").key)
            value = int(seen.spec["to"][0]["default"]["connectionTimeout"][:-1])
            try:
                await update(store, timeout("x", f"{value + 1}s"), seen.version)
            except Conflict:
                continue
            return

    await asyncio.gather(*(add_one() for _ in range(15)))
    assert (await store.get(timeout("x").key)).same_content(timeout("x", "15s"))


async def test_every_state_of_a_resource_has_a_revision_of_its_own(store: Store) -> None:
    before = (await create(store, timeout("x", "0s"))).version
    stored = await asyncio.gather(
        *(update(store, timeout("x", f"{i}s")) for i in range(1, 21)),
        *(create(store, timeout(f"y{i}")) for i in range(9)),
    )
    versions = [resource.version for resource in stored if resource.name == "x"]
    assert len(set(versions)) == 20
    seen = [c.after for b in await take(store, before, 29) for c in b.changes if c.key.name == "x"]
    assert seen == sorted((r for r in stored if r.name == "x"), key=lambda r: r.version)


async def test_a_storm_of_good_and_bad_writes_settles_each(store: Store) -> None:
    old = await asyncio.gather(*(create(store, timeout(f"t{i}")) for i in range(150)))
    writes: list[Write] = []
    for number, resource in enumerate(old):
        fresh = timeout(resource.name, "9s")
        stale = Update(fresh, resource.version - 1)
        choices = (Update(fresh, resource.version), stale, Create(fresh), Delete(resource.key, resource.version))
        writes.append(choices[number % 4])
    results = await asyncio.gather(*(store.write([write]) for write in writes), return_exceptions=True)
    kinds = [type(result).__name__ for result in results]
    assert kinds == [("tuple", "Conflict", "AlreadyExists", "tuple")[i % 4] for i in range(150)]
    left = by_name((await store.contents()).resources)
    assert sorted(left) == sorted(f"t{i}" for i in range(150) if i % 4 != 3)
    assert {i for i in range(150) if i % 4 != 3 and left[f"t{i}"].same_content(timeout(f"t{i}", "9s"))} == {
        *range(0, 150, 4)
    }


async def test_one_bad_write_spoils_no_other(store: Store) -> None:
    results = await asyncio.gather(
        create(store, timeout("x")),
        create(store, timeout("x")),
        create(store, timeout("y")),
        return_exceptions=True,
    )
    assert sorted(type(r).__name__ for r in results[:2]) == ["AlreadyExists", "Resource"]
    assert isinstance(results[2], Resource)


async def test_leases_pass_on_with_a_larger_token(store: Store) -> None:
    first = await store.acquire("leader", "one", 10)
    waiting = asyncio.create_task(store.acquire("leader", "two", 10))
    await asyncio.sleep(0.01)
    assert first.held and not waiting.done()
    await first.release()
    second = await waiting
    assert second.token > first.token and not first.held
    await second.release()


async def test_delete_and_create_again(store: Store) -> None:
    await create(store, timeout("x"))
    await store.write([Delete(timeout("x").key)])
    again = await create(store, timeout("x"))
    assert again.version == await store.revision()


async def test_a_transaction_may_touch_a_resource_twice(store: Store) -> None:
    before = await store.revision()
    revision, stored = await store.write([Create(timeout("x")), Update(timeout("x", "6s")), Create(timeout("y"))])
    assert [r.version for r in stored] == [revision] * 3
    (batch,) = await take(store, before, 1)
    assert sorted((c.key.name, c.after) for c in batch.changes) == [("x", stored[1]), ("y", stored[2])]
    with pytest.raises(AlreadyExists):
        await store.write([Create(timeout("z")), Create(timeout("z"))])
    with pytest.raises(NotFound):
        await store.get(timeout("z").key)


async def test_a_transaction_has_a_largest_size(store: Store) -> None:
    before = await store.revision()
    await store.write([Create(timeout(f"t{i}")) for i in range(MAX_WRITES)])
    (batch,) = await take(store, before, 1)
    assert len(batch.changes) == MAX_WRITES
    await store.write([Delete(timeout(f"t{i}").key) for i in range(MAX_WRITES)])
    assert (await store.contents()).resources == ()
    with pytest.raises(TooLarge):
        await store.write([Create(timeout(f"t{i}")) for i in range(MAX_WRITES + 1)])


async def test_large_resources_and_all_of_unicode(store: Store) -> None:
    text = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x10000), *range(0x1F300, 0x1F700))))
    resource = Resource("Secret", "default", "größe-名前", {"data": "x" * 2**20}, {"ключ": "値"}, {"text": text})
    stored = await create(store, resource)
    assert stored.same_content(resource)
    assert await store.get(resource.key) == stored
    assert (await store.contents()).resources == (stored,)
    (batch,) = await take(store, stored.version - 1, 1)
    assert batch.changes[0].after == stored


async def test_names_are_ordered_by_their_characters(store: Store) -> None:
    pairs = [(m, n) for m in ("a", "a-b", "é", "Z") for n in ("x", "x-1", "x.y", "Ω", "\U0001f600", "\uffee")]
    await store.write([Create(timeout(name, mesh=mesh)) for mesh, name in pairs])
    page = await store.list("MeshTimeout")
    assert [(r.mesh, r.name) for r in page.items] == sorted(pairs)
    half = await store.list("MeshTimeout", "a", limit=3)
    rest = await store.list("MeshTimeout", "a", limit=3, after=half.after)
    assert [r.name for r in (*half.items, *rest.items)] == sorted(n for m, n in pairs if m == "a")
    assert rest.after is None
    assert (await store.list("MeshTimeout", "é", after=("a", "x"), limit=1)).items[0].mesh == "é"


async def test_a_jumping_clock_changes_times_only(place: Place) -> None:
    clock = JumpingClock()
    store = place.make(clock)
    await store.open()
    first = await create(store, timeout("x"))
    clock.offset = -86_400 * 10**9
    second = await update(store, timeout("x", "6s"))
    clock.offset = 86_400 * 10**9
    third = await update(store, timeout("x", "7s"), second.version)
    assert first.version < second.version < third.version
    assert second.modified < first.modified < third.modified
    assert {r.created for r in (first, second, third)} == {first.created}
    assert [b.revision for b in await take(store, first.version, 2)] == [second.version, third.version]
    await store.close()


async def test_writes_in_the_name_of_a_lost_lease_are_refused(store: Store) -> None:
    first = await store.acquire("leader", "one", 10)
    await store.write([Create(timeout("x"))], fence=first)
    await first.release()
    with pytest.raises(Fenced):
        await store.write([Create(timeout("y"))], fence=first)
    second = await store.acquire("leader", "two", 10)
    for write in (Create(timeout("y")), Update(timeout("x", "6s")), Delete(timeout("x").key)):
        with pytest.raises(Fenced):
            await store.write([write], fence=first)
    await store.write([Update(timeout("x", "7s"))], fence=second)
    assert [r.name for r in (await store.contents()).resources] == ["x"]
    await second.release()


class JumpingClock(SystemClock):
    """A wall clock that somebody sets."""

    offset = 0

    def now_ns(self) -> int:
        return super().now_ns() + self.offset


async def test_a_store_of_a_later_version_is_refused_and_left_as_it_is(durable: DurablePlace) -> None:
    async with opened(durable) as store:
        await create(store, timeout("x"))
    await durable.age()
    for _ in range(2):
        later = durable.make()
        with pytest.raises(ConfigError, match="schema version 99, this program knows 1"):
            await later.open()
        await later.close()


async def test_sqlite_keeps_everything_over_a_restart(tmp_path: Path) -> None:
    store = SqlitePlace(tmp_path).make()
    await store.open()
    stored = await create(store, timeout("x"))
    lease = await store.acquire("leader", "one", 10)
    await store.close()
    assert not lease.held
    store = SqlitePlace(tmp_path).make()
    await store.open()
    assert await store.get(stored.key) == stored
    assert [b.revision for b in await take(store, 0, 1)] == [1]
    assert (await store.acquire("leader", "two", 10)).token > lease.token
    await store.close()


async def test_sqlite_refuses_a_second_process(tmp_path: Path) -> None:
    first, second = SqlitePlace(tmp_path).make(), SqlitePlace(tmp_path).make()
    await first.open()
    with pytest.raises(ConfigError, match="in use by another process"):
        await second.open()
    await first.close()


@pytest.mark.parametrize("suffix", ["", "-wal"])
async def test_sqlite_acknowledges_nothing_that_goes_into_a_deleted_file(suffix: str, tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "s.db"), SystemClock())
    await store.open()
    stored = await create(store, timeout("x"))
    file, away = tmp_path / f"s.db{suffix}", tmp_path / "away"
    file.rename(away)
    for _ in range(2):
        with pytest.raises(Unavailable, match="deleted or replaced"):
            await create(store, timeout("y"))
        with pytest.raises(Unavailable, match="deleted or replaced"):
            await store.revision()
        assert await store.get(stored.key) == stored
        # Somebody else's file in its place is not ours either.
        file.write_bytes(b"")
    away.rename(file)
    await create(store, timeout("z"))
    await store.close()
    again = SqliteStore(str(tmp_path / "s.db"), SystemClock())
    await again.open()
    assert {r.name for r in (await again.contents()).resources} == {"x", "z"}
    await again.close()


async def test_sqlite_says_when_it_is_full_and_goes_on_with_room(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "s.db"), SystemClock())
    await store.open()
    stored = await create(store, timeout("x"))
    with closing(sqlite3.connect(tmp_path / "s.db")) as database:
        (limit,) = database.execute("PRAGMA page_count").fetchone()
    await store._call(lambda tables: tables._db.execute(f"PRAGMA max_page_count={limit}"))
    with pytest.raises(Full, match="full"):
        await create(store, Resource("Secret", "default", "large", {"data": "x" * 100_000}))
    results = await asyncio.gather(
        create(store, Resource("Secret", "default", "large", {"data": "x" * 100_000})),
        delete(store, stored.key),
        return_exceptions=True,
    )
    assert [type(r).__name__ for r in results] == ["Full", "NoneType"], "one does not spoil the other"
    await store._call(lambda tables: tables._db.execute("PRAGMA max_page_count=1000000"))
    await create(store, Resource("Secret", "default", "large", {"data": "x" * 100_000}))
    await store.close()


async def test_a_watcher_from_too_long_ago_is_told_so(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "s.db"), SystemClock(), Tuning(kept=5))
    await store.open()
    for i in range(30):
        await create(store, timeout(f"t{i}"))
    await store.close()
    await store.open()
    with pytest.raises(Compacted):
        await take(store, 1, 1)
    # It keeps at least what it says, whenever that is looked at.
    for i in range(30, 45):
        last = await create(store, timeout(f"t{i}"))
        await store.close()
        await store.open()
        assert len(await take(store, last.version - 5, 5)) == 5
    await store.close()
