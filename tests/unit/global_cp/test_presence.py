"""Zones that were connected to a replica that died are shown as gone, without any clock."""

from __future__ import annotations

import asyncio

from global_cp.presence import Presence, lease_name
from tests.unit.kds.lab import REGISTRY, Side
from ursa.model.resource import Resource


def insight(zone: str, *holders: str) -> Resource:
    subscriptions = [
        {"id": holder, "globalInstanceId": holder, "connectTime": "2026-01-01T00:00:00Z"} for holder in holders
    ]
    return Resource("ZoneInsight", "", zone, {"subscriptions": subscriptions})


def open_holders(side: Side, zone: str) -> set[str]:
    found = side.live.current.get("ZoneInsight", "", zone)
    assert found is not None
    return {one["id"] for one in found.spec["subscriptions"] if "disconnectTime" not in one}


async def test_only_subscriptions_of_dead_replicas_are_closed() -> None:
    side = Side()
    await side.open()
    await side.put(insight("zone-1", "me", "dead"), insight("zone-2", "other"))
    alive = await side.store.acquire(lease_name("other"), "other", 15)
    presence = Presence(side.store, side.live, side.clock, REGISTRY["ZoneInsight"], "me", ttl=15.0)
    async with presence.held():
        side.supervisor.start("presence", presence.watch_others)
        await side.until(lambda: open_holders(side, "zone-1") == {"me"})
        await asyncio.sleep(0.05)
        assert open_holders(side, "zone-2") == {"other"}
        await alive.release()
        await side.until(lambda: not open_holders(side, "zone-2"))
        await side.supervisor.stop("presence")
    await side.close()
