"""One object that cannot be read costs no other one anything, in every engine that somebody else can lay hands on."""

from __future__ import annotations

import logging

import orjson
import pytest

from tests.contract.places import DurablePlace, opened
from tests.contract.samples import take, timeout
from ursa.errors import AlreadyExists, Conflict
from ursa.runtime.tasks import cancel_and_wait, spawn
from ursa.store.contract import Create, Delete, Unreadable, Update, create, update
from ursa.view.live import LiveView

WHOLE = orjson.dumps({"created": 1, "modified": 1, "spec": {"to": []}, "labels": {}})

DAMAGE = {
    "nonsense": b"nonsense",
    "empty": b"",
    "cut off": WHOLE[:40],
    "not UTF-8": b'{"spec": "\xff\xfe"}',
    "a list": b"[]",
    "a number": b"5",
}


@pytest.mark.parametrize("body", DAMAGE.values(), ids=DAMAGE.keys())
async def test_others_are_read_and_the_bad_one_is_named(durable: DurablePlace, body: bytes) -> None:
    async with opened(durable) as store:
        bad, good = await create(store, timeout("bad")), await create(store, timeout("good"))
        await durable.damage(bad.key, body)
        contents = await store.contents()
        assert contents.resources == (good,)
        assert [(one.key, bool(one.reason)) for one in contents.damaged] == [(bad.key, True)]
        assert (await store.list("MeshTimeout")).items == (good,)
        assert (await store.list("MeshTimeout", limit=1)).after == ("default", "bad")
        with pytest.raises(Unreadable, match="MeshTimeout default/bad is stored"):
            await store.get(bad.key)
        later = await create(store, timeout("later"))
        assert (await take(store, later.version - 1, 1))[0].changes[0].after == later
    async with opened(durable) as again:
        assert (await again.contents()).damaged == contents.damaged


async def test_it_is_overwritten_or_deleted_on_purpose_only(durable: DurablePlace) -> None:
    async with opened(durable) as store:
        for name in ("rewritten", "expected", "deleted"):
            await durable.damage((await create(store, timeout(name))).key, b"nonsense")
        damaged = {one.key.name: one for one in (await store.contents()).damaged}
        before = await store.revision()
        with pytest.raises(AlreadyExists, match="cannot be read"):
            await create(store, timeout("rewritten"))
        with pytest.raises(Conflict):
            await update(store, timeout("expected"), 10**15)
        written = await update(store, timeout("rewritten", "7s"))
        expected = await update(store, timeout("expected", "8s"), damaged["expected"].version)
        await store.write([Delete(timeout("deleted").key)])
        contents = await store.contents()
        assert contents.damaged == ()
        assert sorted(contents.resources, key=lambda r: r.name) == [expected, written]
        assert before < written.version < expected.version
        assert await store.get(written.key) == written
        again = await create(store, timeout("deleted"))
        assert again.version > expected.version


async def test_it_waits_with_others_for_the_same_commit(durable: DurablePlace) -> None:
    async with opened(durable) as store:
        bad = await create(store, timeout("bad"))
        await durable.damage(bad.key, b"nonsense")
        fixed, _ = await store.write([Update(timeout("bad", "9s")), Create(timeout("good"))])
        assert {r.version for r in (await store.contents()).resources} == {fixed}


async def test_a_view_keeps_what_it_knew_and_says_so_once(
    durable: DurablePlace, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(durable) as store:
        bad = await create(store, timeout("bad"))
        await create(store, timeout("good"))
        live = LiveView(store)
        await live.load()
        await durable.damage(bad.key, b"nonsense")
        with caplog.at_level(logging.ERROR):
            await live.load()
            await live.load()
            following = spawn(live.run(), "view")
            await live.wait_for((await create(store, timeout("later"))).version)
        told = [record for record in caplog.records if record.name == "ursa.view.live"]
        assert [record.__dict__["resource"] for record in told] == ["MeshTimeout default/bad"]
        assert live.current.get(*bad.key) == bad
        assert list(live.current.damaged) == [bad.key]
        assert live.current.removing(bad).expected == live.current.damaged[bad.key].version
        _, (fixed,) = await store.write([live.current.replacing(timeout("bad", "9s"))])
        await live.wait_for(fixed.version)
        assert live.current.get(*bad.key) == fixed
        assert not live.current.damaged
        await cancel_and_wait(following)
