"""Secrets are encrypted at rest, keys are rotated, and what cannot be opened harms nothing else."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ursa.errors import ConfigError
from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.clock import SystemClock
from ursa.store.contract import Batch, Store, Unreadable, create, update
from ursa.store.memory import MemoryStore
from ursa.store.sealed import SealedStore
from ursa.store.sealing import SEALED, Sealer, SealingKey, Tampered, read_keys
from ursa.store.sqlite import SqliteStore

OLD = SealingKey("old", bytes(32))
NEW = SealingKey("new", bytes([1] * 32))
CONTENT = "dGhlIHByaXZhdGUga2V5"


def secret(name: str = "s", data: str = CONTENT) -> Resource:
    return Resource("Secret", "default", name, {"data": data}, {"a": "b"})


async def sealed(inner: Store, *keys: SealingKey) -> SealedStore:
    store = SealedStore(inner, Sealer(keys))
    await store.open()
    return store


async def first_batch(store: Store, after: int) -> Batch:
    async with asyncio.timeout(5):
        async for batch in store.watch(after):
            return batch
    raise AssertionError


async def test_nothing_of_a_secret_reaches_the_disk(tmp_path: Path) -> None:
    store = await sealed(SqliteStore(str(tmp_path / "s.db"), SystemClock()), OLD)
    await create(store, secret())
    await create(store, Resource("GlobalSecret", "", "g", {"data": CONTENT}))
    await create(store, Resource("Config", "", "c", {"config": "in the open"}))
    await store.close()
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert CONTENT.encode() not in written
    assert b"in the open" in written


async def test_readers_notice_nothing() -> None:
    inner = MemoryStore(SystemClock())
    store = await sealed(inner, OLD)
    stored = await create(store, secret())
    assert stored.same_content(secret())
    assert await store.get(stored.key) == stored
    assert (await store.list("Secret")).items == (stored,)
    assert (await store.contents()).resources == (stored,)
    assert (await first_batch(store, 0)).changes[0].after == stored
    assert set((await inner.get(stored.key)).spec) == {SEALED}
    assert await update(store, secret()) == stored, "the same content is no change"
    assert (await update(store, secret(data="b3RoZXI="))).version > stored.version


async def test_keys_are_rotated_without_a_gap() -> None:
    inner = MemoryStore(SystemClock())
    plain = await sealed(inner)
    await create(plain, secret("from-before"))
    await create(await sealed(inner, OLD), secret("sealed"))
    rotating = await sealed(inner, NEW, OLD)
    assert {r.name: r.spec for r in (await rotating.list("Secret")).items} == {
        "from-before": {"data": CONTENT},
        "sealed": {"data": CONTENT},
    }
    assert await rotating.seal_anew() == 2
    assert await rotating.seal_anew() == 0
    assert len((await (await sealed(inner, NEW)).list("Secret")).items) == 2


async def test_a_store_whose_key_is_missing_is_refused() -> None:
    inner = MemoryStore(SystemClock())
    await create(await sealed(inner, OLD), secret())
    for keys in ((), (NEW,)):
        with pytest.raises(ConfigError, match="sealed with the key 'old'"):
            await sealed(inner, *keys)


async def test_one_damaged_secret_harms_no_other() -> None:
    inner = MemoryStore(SystemClock())
    store = await sealed(inner, OLD)
    good = await create(store, secret("good"))
    await create(store, secret("bad"))
    stolen = await inner.get(good.key)
    await update(inner, secret("bad").with_spec(stolen.spec))
    contents = await store.contents()
    assert contents.resources == (good,)
    (damaged,) = contents.damaged
    assert damaged.reason == "Secret default/bad cannot be opened: it was changed, moved or damaged"
    with pytest.raises(Unreadable, match="Secret default/bad"):
        await store.get(secret("bad").key)
    batch = await first_batch(store, good.version + 1)
    assert (batch.changes, batch.damaged) == ((), (damaged,))
    await sealed(inner, OLD)
    await update(store, secret("bad"))
    assert (await store.contents()).damaged == ()


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers(-(2**53), 2**53) | st.none()), st.binary())
def test_only_the_same_place_and_key_open(name: str, spec: dict[str, object], noise: bytes) -> None:
    key = ResourceKey("Secret", "default", name)
    data = OLD.seal(key, spec)[SEALED]["data"]
    assert OLD.open(key, data) == spec
    others = [
        (NEW, key, data),
        (OLD, key._replace(name=name + "x"), data),
        (OLD, key, base64.b64encode(noise).decode()),
    ]
    for opener, place, content in others:
        with pytest.raises(Tampered):
            opener.open(place, content)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (f"# ours\n\nk1: {base64.b64encode(bytes(32)).decode()}\nk2:{base64.b64encode(bytes([1] * 32)).decode()}\n", 2),
        ("k1: c2hvcnQ=\n", 0),
        ("no key at all", 0),
        ("", 0),
        (f"k: {base64.b64encode(bytes(32)).decode()}\n" * 2, 0),
    ],
)
def test_key_files(text: str, names: int, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(text)
    if names:
        keys = read_keys(str(file))
        assert [key.name for key in keys] == ["k1", "k2"]
        assert str(keys[0].secret) not in repr(keys[0])
    else:
        with pytest.raises(ConfigError, match="keyFile"):
            read_keys(str(file))
    with pytest.raises(ConfigError, match="cannot read"):
        read_keys(str(tmp_path / "missing"))
