"""The live view: incremental, coalescing, patient with a lost store."""

from __future__ import annotations

import asyncio

from ursa.model.resource import Resource
from ursa.runtime.clock import SystemClock
from ursa.runtime.tasks import cancel_and_wait, spawn
from ursa.store.contract import create, delete, update
from ursa.store.memory import MemoryStore
from ursa.view.live import LiveView


def dataplane(name: str, service: str) -> Resource:
    inbound = {"port": 80, "tags": {"kuma.io/service": service}}
    return Resource("Dataplane", "default", name, {"networking": {"address": "10.0.0.1", "inbound": [inbound]}})


async def test_follows_and_coalesces() -> None:
    store = MemoryStore(SystemClock())
    live = LiveView(store)
    running = spawn(live.run(), "view")
    await live.ready.wait()
    steps = live.subscribe("test")
    await create(store, dataplane("a", "web"))
    await create(store, dataplane("b", "web"))
    await update(store, dataplane("a", "api"))
    await delete(store, dataplane("b", "web").key)
    await live.wait_for(4)
    step = await steps.next()
    assert step.before.revision == 0 and step.after.revision == 4
    assert {key.name for key in step.touched.keys} == {"a"}
    assert step.touched.services == {("default", "api")}
    assert step.after.services("default") == ["api"]
    assert set(step.after.serving("default", "api")) == {"a"}
    waiting = asyncio.create_task(steps.next())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    await cancel_and_wait(waiting, running)


async def test_buckets_keep_their_identity_while_unchanged() -> None:
    store = MemoryStore(SystemClock())
    live = LiveView(store)
    await create(store, dataplane("a", "web"))
    await create(store, Resource("Mesh", "", "default"))
    await live.load()
    before = live.current
    await update(store, dataplane("a", "api"))
    await live.load()
    after = live.current
    assert after.bucket("Mesh", "") is before.bucket("Mesh", "")
    assert after.bucket("Dataplane", "default") is not before.bucket("Dataplane", "default")
    assert before.services("default") == ["web"]
