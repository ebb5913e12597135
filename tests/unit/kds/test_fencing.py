"""Nobody but one control plane speaks for a zone, at whichever replica of the global; who loses is told why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from global_cp.zones import Zones
from tests.unit.kds.lab import REGISTRY, Global, Zone
from tests.unit.kds.test_stream import DATAPLANE_SPEC, running
from ursa.errors import Unavailable
from ursa.model.resource import Resource
from ursa.runtime.config import load
from ursa.runtime.tasks import cancel_and_wait, spawn


class Replica(Global):
    """One of several globals on one store."""

    def __init__(self, first: Global | None, instance: str) -> None:
        super().__init__()
        self.instance = instance
        if first is not None:
            self.store = first.store
            self.live._store = first.store
        settings = load(None, {"KUMA_MODE": "global", "KUMA_MULTIZONE_GLOBAL_KDS_ZONE_INSIGHT_FLUSH_INTERVAL": "50ms"})
        self.zones = Zones(
            settings.settings, self.store, self.live, REGISTRY, self.clock, instance=instance, holdings=self.holdings
        )


@pytest.fixture
async def replicas() -> AsyncIterator[tuple[Replica, Replica]]:
    first = Replica(None, "global-1")
    second = Replica(first, "global-2")
    async with running(first, second):
        yield first, second


async def test_a_second_control_plane_is_refused_at_every_replica(replicas: tuple[Replica, Replica]) -> None:
    first, second = replicas
    holder, other = Zone("zone-1", first.port, "a"), Zone("zone-1", second.port, "b")
    async with running(holder):
        await holder.put(Resource("Dataplane", "default", "web-1", DATAPLANE_SPEC))
        await first.until(lambda: first.named("Dataplane", "web-1"))
        await second.until(lambda: second.live.current.get("ZoneInsight", "", "zone-1"))
        async with running(other):
            await other.until(lambda: "already connected from instance a" in other.client.status.last_error)
            assert "to global-1" in other.client.status.last_error
            assert first.named("Dataplane", "web-1") is not None
            assert holder.client.status.connected


async def test_the_same_control_plane_may_move_to_another_replica(replicas: tuple[Replica, Replica]) -> None:
    first, second = replicas
    before, after = Zone("zone-1", first.port, "a"), Zone("zone-1", second.port, "a")
    async with running(before):
        await first.until(lambda: first.zones.connections)
        await second.until(lambda: second.live.current.get("ZoneInsight", "", "zone-1"))
        async with running(after):
            await after.until(lambda: after.client.status.connected)
            # The stream that was left behind must not write into the zone any more.
            await before.until(lambda: "now connected from instance a, to global-2" in before.client.status.last_error)


def is_recorded_as_gone(side: Global) -> bool:
    insight = side.live.current.get("ZoneInsight", "", "zone-1")
    return insight is not None and bool(insight.spec["subscriptions"][-1].get("disconnectTime"))


async def test_the_end_of_a_connection_is_recorded_even_if_its_handler_is_cancelled_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    centre = Global()
    async with running(centre):
        zone = Zone("zone-1", centre.port, "a")
        async with running(zone):
            await centre.until(lambda: centre.live.current.get("ZoneInsight", "", "zone-1"))
            connection = centre.zones.connections["zone-1"]
            write = centre.store.write

            async def slow(*writes: Any, **options: Any) -> Any:
                await asyncio.sleep(0.2)
                return await write(*writes, **options)

            monkeypatch.setattr(centre.store, "write", slow)
            ending = spawn(centre.zones.disconnect(connection), "handler")
            await asyncio.sleep(0.05)
            await cancel_and_wait(ending)
            await centre.until(lambda: is_recorded_as_gone(centre))


async def test_an_end_that_the_store_could_not_take_is_recorded_later(monkeypatch: pytest.MonkeyPatch) -> None:
    centre, away = Global(), True
    async with running(centre):
        zone = Zone("zone-1", centre.port, "a")
        async with running(zone):
            await centre.until(lambda: centre.live.current.get("ZoneInsight", "", "zone-1"))
            write = centre.store.write

            async def sometimes(*writes: Any, **options: Any) -> Any:
                if away:
                    raise Unavailable("gone")
                return await write(*writes, **options)

            monkeypatch.setattr(centre.store, "write", sometimes)
        await centre.until(lambda: not centre.zones.connections)
        assert not is_recorded_as_gone(centre)
        away = False
        await centre.until(lambda: is_recorded_as_gone(centre))
