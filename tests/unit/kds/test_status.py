"""The store is asked about a zone's insight when a connection tells something new, and never else."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry

from kds.insight import History, Session
from kds.status import ZoneStatus
from kds.watermarks import Sent
from ursa.catalog import default_registry
from ursa.model.resource import ResourceKey
from ursa.runtime.clock import SystemClock
from ursa.runtime.tasks import cancel_and_wait, spawn
from ursa.store.memory import MemoryStore
from ursa.store.metered import MeteredStore

FLUSH = 0.01
KEY = ResourceKey("ZoneInsight", "", "east")


async def test_requests_that_change_no_counter_cost_nothing() -> None:
    clock, metrics = SystemClock(), CollectorRegistry()
    store = MeteredStore(MemoryStore(clock), metrics, clock)
    kind, session = default_registry()["ZoneInsight"], Session("s1", "global-1", clock.now_ns())
    status = ZoneStatus(store, clock, kind, KEY.name, session, flush_interval=FLUSH, history=History())
    marks = {"Mesh": Sent()}
    running = spawn(status.run(), "status")
    try:
        marks["Mesh"].note_sent(1, clock.now_ns())
        marks["Mesh"].note_answer(None, clock.now_ns())
        status.follow(marks, settled=True)
        reads = await _reads_at_rest(metrics)
        insight = await store.get(KEY)
        assert insight.spec["subscriptions"][0]["status"]["stat"]["Mesh"]["responsesAcknowledged"] == "1"
        status.follow(marks, settled=True)
        assert await _reads_at_rest(metrics) == reads + 1  # the one above
        marks["Mesh"].note_sent(2, clock.now_ns())
        status.follow(marks, settled=True)
        assert await _reads_at_rest(metrics) > reads + 1
    finally:
        await cancel_and_wait(running)


async def _reads_at_rest(metrics: CollectorRegistry) -> float:
    """How often the insight was read, after more than enough flush intervals."""
    await asyncio.sleep(20 * FLUSH)
    return metrics.get_sample_value("store_count", {"operation": "get", "resource_type": KEY.kind}) or 0.0
