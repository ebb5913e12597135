"""Steps of a drain are made when they are due, by alarms that exist only while there is something to do."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from global_cp.drain_steps import SECOND, begun
from global_cp.draining import ZoneDraining
from kds.drains import CONFIG, Drain, drains_config, read_drains
from tests.unit.global_cp.test_drain_capacity import MESH, gate
from tests.unit.kds.lab import Side
from tests.unit.kds.test_membership import ManualClock, settle
from ursa.model.resource import Resource
from ursa.runtime.config import load


class Wall(ManualClock):
    """Wall time that goes with the manual one."""

    def now_ns(self) -> int:
        return round(self.monotonic() * SECOND)


class Leader(Side):
    """Whoever makes the steps, with two zones."""

    def __init__(self) -> None:
        super().__init__()
        self.wall = Wall()
        settings = load(None, {"KUMA_MODE": "global"}).settings
        self.duty = ZoneDraining(settings, self.store, self.live, self.wall)

    async def lead(self) -> None:
        self.supervisor.start("draining zones", self.duty.run)
        await settle()

    async def order(self, **drains: Drain) -> None:
        await self.put(drains_config(dict(read_drains(self.live.current)) | drains))
        await settle()

    @property
    def shares(self) -> dict[str, int]:
        return {zone: drain.share for zone, drain in read_drains(self.live.current).items()}

    @property
    def writes(self) -> int:
        config = self.live.current.get("Config", "", CONFIG)
        return config.version if config is not None else 0


@pytest.fixture
async def leader() -> AsyncIterator[Leader]:
    side = Leader()
    await side.open()
    await side.put(*(Resource("Zone", "", zone) for zone in ("east", "west")))
    yield side
    await side.close()


async def test_there_are_alarms_only_while_a_zone_is_on_its_way(leader: Leader) -> None:
    await leader.lead()
    assert leader.wall.alarms == 0
    await leader.order(east=begun(None, 0, over=40 * SECOND, now=0))
    assert leader.wall.alarms == 1
    for share in range(95, -1, -5):
        await leader.wall.advance(2)
        assert leader.shares == {"east": share}
    assert leader.wall.alarms == 0
    before = leader.writes
    await leader.wall.advance(3600)
    assert (leader.writes, leader.wall.alarms) == (before, 0)
    back = begun(read_drains(leader.live.current)["east"], 100, over=2 * SECOND, now=leader.wall.now_ns())
    await leader.order(east=back)
    await leader.wall.advance(1)
    assert leader.shares == {"east": 50}
    await leader.wall.advance(1)
    assert (leader.shares, leader.wall.alarms) == ({}, 0)


async def test_nothing_is_written_between_steps_and_a_late_leader_catches_up(leader: Leader) -> None:
    await leader.order(east=begun(None, 0, over=100 * SECOND, now=0), west=begun(None, 0, over=10 * SECOND, now=0))
    await leader.wall.advance(52)
    await leader.lead()
    assert leader.shares == {"east": 50, "west": 0}
    before = leader.writes
    await leader.wall.advance(2)
    assert leader.writes == before
    await leader.wall.advance(1)
    assert leader.shares == {"east": 45, "west": 0}


async def test_a_zone_that_is_deleted_is_forgotten(leader: Leader) -> None:
    await leader.lead()
    await leader.order(east=begun(None, 0, over=100 * SECOND, now=0), west=begun(None, 0, over=0, now=0))
    await leader.delete("Zone", "", "east")
    await settle()
    assert (leader.shares, leader.wall.alarms) == ({"west": 0}, 0)


async def test_steps_wait_while_others_cannot_take_over_and_are_looked_at_only_when_that_may_have_changed(
    leader: Leader, caplog: pytest.LogCaptureFixture
) -> None:
    await leader.put(MESH, gate("east", "web"), gate("west", "web"))
    await leader.lead()
    await leader.order(east=begun(None, 0, over=40 * SECOND, now=0))
    await leader.wall.advance(2)
    await leader.put(gate("west"))
    await leader.wall.advance(2)
    assert (leader.shares, read_drains(leader.live.current)["east"].held_at) == ({"east": 95}, 4 * SECOND)
    assert "others cannot take over" in caplog.text
    before = leader.writes
    await leader.wall.advance(1000)
    assert (leader.writes, leader.wall.alarms) == (before, 0)
    await leader.put(gate("west", "web"))
    await leader.wall.advance(1)
    assert (leader.shares, read_drains(leader.live.current)["east"].held_at) == ({"east": 90}, 0)
    for _ in range(18):
        await leader.wall.advance(2)
    assert leader.shares == {"east": 0}
