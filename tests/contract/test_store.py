"""The promises of `ursa.store.contract`, for every engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ursa.errors import AlreadyExists, ConfigError, Conflict, NotFound
from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.clock import SystemClock
from ursa.store.contract import Batch, Compacted, Create, Delete, Store, Update, create, delete, update
from ursa.store.memory import MemoryStore
from ursa.store.sqlite import SqliteStore

ENGINES = ("memory", "sqlite")


def make(engine: str, folder: Path) -> Store:
    clock = SystemClock()
    return MemoryStore(clock) if engine == "memory" else SqliteStore(str(folder / "s.db"), clock)


@pytest.fixture(params=ENGINES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made = make(request.param, tmp_path)
    await made.open()
    yield made
    await made.close()


def timeout(name: str, value: str = "5s", mesh: str = "default") -> Resource:
    return Resource("MeshTimeout", mesh, name, {"to": [{"default": {"connectionTimeout": value}}]}, {"a": "b"})


async def take(store: Store, after: int, count: int) -> list[Batch]:
    found: list[Batch] = []
    async with asyncio.timeout(5):
        async for batch in store.watch(after):
            found.append(batch)
            if len(found) == count:
                break
    return found


async def test_stores_what_was_written(store: Store) -> None:
    stored = await create(store, timeout("x"))
    assert stored.version == await store.revision() == 1
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
    assert {r.version for r in stored} == {revision} == {before + 1}


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
    await update(store, timeout("x", "6s"))
    await delete(store, timeout("x").key)
    watching = asyncio.create_task(take(store, contents.revision, 3))
    await asyncio.sleep(0)
    await create(store, timeout("y"))
    batches = await watching
    assert [b.revision for b in batches] == [2, 3, 4]
    assert [[c.after and c.after.name for c in b.changes] for b in batches] == [["x"], [None], ["y"]]
    assert batches[1].changes[0].key == timeout("x").key


async def test_concurrent_writers_lose_nothing(store: Store) -> None:
    await asyncio.gather(*(create(store, timeout(f"t{i}")) for i in range(50)))
    assert await store.revision() == 50
    assert len((await store.contents()).resources) == 50
    assert [b.revision for b in await take(store, 0, 50)] == list(range(1, 51))


async def test_one_bad_write_spoils_no_other(store: Store) -> None:
    results = await asyncio.gather(
        create(store, timeout("x")),
        create(store, timeout("x")),
        create(store, timeout("y")),
        return_exceptions=True,
    )
    assert [type(r).__name__ for r in results] == ["Resource", "AlreadyExists", "Resource"]


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
    assert again.version == 3


async def test_sqlite_keeps_everything_over_a_restart(tmp_path: Path) -> None:
    store = make("sqlite", tmp_path)
    await store.open()
    stored = await create(store, timeout("x"))
    lease = await store.acquire("leader", "one", 10)
    await store.close()
    assert not lease.held
    store = make("sqlite", tmp_path)
    await store.open()
    assert await store.get(stored.key) == stored
    assert [b.revision for b in await take(store, 0, 1)] == [1]
    assert (await store.acquire("leader", "two", 10)).token > lease.token
    await store.close()


async def test_sqlite_refuses_a_second_process(tmp_path: Path) -> None:
    first, second = make("sqlite", tmp_path), make("sqlite", tmp_path)
    await first.open()
    with pytest.raises(ConfigError, match="in use by another process"):
        await second.open()
    await first.close()


async def test_a_watcher_from_too_long_ago_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("ursa.store.sqlite_tables.KEPT_CHANGES", 5)
    store = make("sqlite", tmp_path)
    await store.open()
    for i in range(30):
        await create(store, timeout(f"t{i}"))
    await store.close()
    await store.open()
    with pytest.raises(Compacted):
        await take(store, 1, 1)
    assert len(await take(store, 27, 3)) == 3
    await store.close()
