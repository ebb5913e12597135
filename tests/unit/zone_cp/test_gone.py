"""Proxies that died with their instance do not stay online for ever, and what is offline for long is deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from kds.replicas.catalogue import Replica, catalogue_config
from tests.unit.kds.lab import Side
from tests.unit.kds.test_membership import ManualClock, settle
from ursa.model.resource import Resource
from ursa.model.timestamps import proto_timestamp
from ursa.runtime.config import load
from zone_cp.proxies.gone import SECOND, GoneProxies

AGE, PATIENCE = 3600, 60


class Wall(ManualClock):
    """Wall time that goes with the manual one."""

    def now_ns(self) -> int:
        return round((1_000_000 + self.monotonic()) * SECOND)


class Zone(Side):
    """A zone with a leader that cleans up."""

    def __init__(self) -> None:
        super().__init__()
        self.wall = Wall()
        ages = {"KUMA_RUNTIME_UNIVERSAL_DATAPLANE_CLEANUP_AGE": f"{AGE}s"}
        settings = load(None, {"KUMA_MODE": "zone", **ages}).settings
        self.duty = GoneProxies(settings, self.store, self.live, self.wall)

    async def lead(self, *living: str) -> None:
        await self.living(*living)
        self.supervisor.start("gone proxies", self.duty.run)
        await settle()

    async def living(self, *names: str) -> None:
        await self.put(catalogue_config([Replica(name, "127.0.0.1", 1) for name in names]))
        await settle()

    async def proxy(self, name: str, *instances: str, ended: bool = False) -> None:
        """A Dataplane that was served by these instances."""
        subscriptions: list[dict[str, Any]] = [
            {"id": one, "controlPlaneInstanceId": one, "connectTime": proto_timestamp(self.wall.now_ns())}
            for one in instances
        ]
        for one in subscriptions if ended else subscriptions[:-1]:
            one["disconnectTime"] = proto_timestamp(self.wall.now_ns())
        networking = {"address": "10.0.0.1", "inbound": [{"port": 80, "tags": {"kuma.io/service": "web"}}]}
        await self.put(
            Resource("Dataplane", "default", name, {"networking": networking}),
            Resource("DataplaneInsight", "default", name, {"subscriptions": subscriptions}),
        )
        await settle()

    def online(self, name: str) -> bool | None:
        """Whether a proxy looks connected; None when it is not there."""
        if self.live.current.get("Dataplane", "default", name) is None:
            assert self.live.current.get("DataplaneInsight", "default", name) is None
            return None
        insight = self.live.current.get("DataplaneInsight", "default", name)
        return insight is not None and any("disconnectTime" not in one for one in insight.spec["subscriptions"])


@pytest.fixture
async def zone() -> AsyncIterator[Zone]:
    side = Zone()
    await side.open()
    yield side
    await side.close()


async def test_who_died_with_its_instance_is_offline_after_a_while_and_later_deleted(zone: Zone) -> None:
    await zone.proxy("alive", "old", "new")
    await zone.proxy("dead", "old")
    await zone.lead("new")
    await zone.wall.advance(PATIENCE - 1)
    assert (zone.online("alive"), zone.online("dead")) == (True, True)
    await zone.wall.advance(1)
    assert (zone.online("alive"), zone.online("dead")) == (True, False)
    await zone.wall.advance(AGE - 1)
    assert zone.online("dead") is False
    await zone.wall.advance(1)
    assert (zone.online("alive"), zone.online("dead")) == (True, None)
    assert zone.wall.alarms == 0


async def test_who_comes_to_another_instance_in_time_stays(zone: Zone) -> None:
    await zone.proxy("moving", "old")
    await zone.lead("new", "old")
    await zone.living("new")
    assert zone.wall.alarms == 1
    await zone.wall.advance(PATIENCE / 2)
    await zone.proxy("moving", "old", "new")
    await zone.wall.advance(10 * AGE)
    assert (zone.online("moving"), zone.wall.alarms) == (True, 0)


async def test_an_instance_that_is_listed_again_keeps_its_proxies(zone: Zone) -> None:
    await zone.proxy("served", "one")
    await zone.lead("two")
    await zone.living("one", "two")
    await zone.wall.advance(10 * AGE)
    assert zone.online("served") is True


async def test_who_left_in_order_is_deleted_after_the_age_unless_it_returns(zone: Zone) -> None:
    await zone.lead("one")
    await zone.proxy("left", "one", ended=True)
    await zone.proxy("back", "one", ended=True)
    await zone.wall.advance(AGE - 1)
    await zone.proxy("back", "one")
    await zone.wall.advance(1)
    assert (zone.online("left"), zone.online("back")) == (None, True)


async def test_what_other_zones_sent_is_left_alone(zone: Zone) -> None:
    await zone.lead("one")
    over = proto_timestamp(zone.wall.now_ns())
    subscriptions = [{"id": "1", "controlPlaneInstanceId": "one", "connectTime": over, "disconnectTime": over}]
    await zone.put(
        Resource("ZoneIngress", "", "gate", {"zone": "west"}, {"kuma.io/origin": "global"}),
        Resource("ZoneIngressInsight", "", "gate", {"subscriptions": subscriptions}),
    )
    await zone.wall.advance(100 * 24 * 3600)
    assert zone.live.current.get("ZoneIngress", "", "gate") is not None
    assert zone.live.current.get("ZoneIngressInsight", "", "gate") is None
