"""What is said of a store: reachable, away, full."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from ursa.api.store_status import StoreStatus
from ursa.errors import Unavailable
from ursa.model.resource import Resource
from ursa.runtime.clock import SystemClock
from ursa.store.contract import Full, create
from ursa.store.guard import GuardedStore
from ursa.store.memory import MemoryStore
from ursa.view.view import View


class Moody(MemoryStore):
    """Refuses writes as it is told."""

    refusal: Exception | None = None

    async def write(self, writes, *, fence=None):  # type: ignore[no-untyped-def]
        if self.refusal is not None:
            raise self.refusal
        return await super().write(writes, fence=fence)


async def told(status: StoreStatus) -> tuple[dict[str, Any], dict[str, float]]:
    response = await status._show(None)  # type: ignore[arg-type]
    samples = {sample.name: sample.value for metric in status.collect() for sample in metric.samples}
    return json.loads(response.body), samples  # type: ignore[arg-type]


async def test_full_and_away_are_told_apart() -> None:
    store = Moody(SystemClock())
    guarded = GuardedStore(store, SystemClock())
    status = StoreStatus("etcd", guarded, SimpleNamespace(current=View()))  # type: ignore[arg-type]
    await guarded.open()
    shown, figures = await told(status)
    assert shown["available"] is True and "fullSince" not in shown and "reason" not in shown
    assert figures["ursa_store_up"] == 1 and figures["ursa_store_full_since_seconds"] == 0
    store.refusal = Full("no room, make some")
    with pytest.raises(Full):
        await create(guarded, Resource("Mesh", "", "m"))
    shown, figures = await told(status)
    assert shown["available"] is True and shown["fullSince"] and shown["reason"] == "no room, make some"
    assert figures["ursa_store_up"] == 1 and figures["ursa_store_full_since_seconds"] > 0
    store.refusal = Unavailable("gone")
    with pytest.raises(Unavailable):
        await create(guarded, Resource("Mesh", "", "m"))
    shown, figures = await told(status)
    assert shown["available"] is False and shown["reason"] == "gone"
    assert figures["ursa_store_up"] == 0 and figures["ursa_store_unavailable_since_seconds"] > 0
    await guarded.close()
