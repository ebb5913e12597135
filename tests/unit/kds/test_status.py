"""A zone's insight is written when a connection tells something new, and never else."""

from __future__ import annotations

import asyncio

from kds.insight import History, Session
from kds.status import ZoneStatus
from kds.watermarks import Sent
from ursa.catalog import default_registry
from ursa.model.resource import ResourceKey
from ursa.runtime.clock import SystemClock
from ursa.runtime.tasks import cancel_and_wait, spawn
from ursa.store.memory import MemoryStore

FLUSH = 0.01
KEY = ResourceKey("ZoneInsight", "", "east")


async def test_requests_that_change_no_counter_cost_no_write() -> None:
    clock = SystemClock()
    store = MemoryStore(clock)
    kind, session = default_registry()["ZoneInsight"], Session("s1", "global-1", clock.now_ns())
    status = ZoneStatus(store, clock, kind, KEY.name, session, flush_interval=FLUSH, history=History())
    marks = {"Mesh": Sent()}
    running = spawn(status.run(), "status")
    try:
        marks["Mesh"].note_sent(1, clock.now_ns())
        marks["Mesh"].note_answer(None, clock.now_ns())
        status.follow(marks)
        written = await _at_rest(store)
        insight = await store.get(KEY)
        assert insight.spec["subscriptions"][0]["status"]["stat"]["Mesh"]["responsesAcknowledged"] == "1"
        status.follow(marks)
        assert await _at_rest(store) == written
        marks["Mesh"].note_sent(2, clock.now_ns())
        status.follow(marks)
        assert await _at_rest(store) > written
    finally:
        await cancel_and_wait(running)


async def _at_rest(store: MemoryStore) -> int:
    """The newest revision after more than enough flush intervals."""
    await asyncio.sleep(20 * FLUSH)
    return await store.revision()
