"""Nobody but one control plane speaks for a zone, at whichever replica of the global; who loses is told why."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from global_cp.zones import Zones
from tests.unit.kds.lab import REGISTRY, Global, Zone
from tests.unit.kds.test_stream import DATAPLANE_SPEC, running
from ursa.model.resource import Resource
from ursa.runtime.config import load


class Replica(Global):
    """One of several globals on one store."""

    def __init__(self, first: Global | None, instance: str) -> None:
        super().__init__()
        self.instance = instance
        if first is not None:
            self.store = first.store
            self.live._store = first.store
        settings = load(None, {"KUMA_MODE": "global", "KUMA_MULTIZONE_GLOBAL_KDS_ZONE_INSIGHT_FLUSH_INTERVAL": "50ms"})
        self.zones = Zones(settings.settings, self.store, self.live, REGISTRY, self.clock, instance=instance)


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
