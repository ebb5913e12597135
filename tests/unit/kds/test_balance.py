"""When a replica lets streams go: not at once, few at a time, nobody twice, and only while it knows how others are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from kds.replicas.balance import Balance, Surroundings
from kds.replicas.catalogue import Replica, catalogue_config
from kds.replicas.holdings import Holdings
from tests.unit.kds.lab import Side
from tests.unit.kds.test_membership import ManualClock, settle
from ursa.runtime.config.multizone import InterCpBalance

OWN, OTHER = Replica("own", "10.0.0.1", 5683), Replica("other", "10.0.0.2", 5683, leader=True)
DELAY, INTERVAL, REST = 45.0, 10.0, 600.0
PAUSE = 1.5
"""Pauses take up to this times as long as said."""


class World:
    """A replica with streams, and what it is told of another one."""

    def __init__(self, side: Side, **settings: object) -> None:
        self.side, self.clock, self.holdings = side, ManualClock(), Holdings()
        self.cut_off, self.gone = False, list[str]()
        around = Surroundings(side.live, self.holdings, lambda: self.cut_off)
        self.balance = Balance(InterCpBalance(**settings), OWN, around, self.clock)
        side.supervisor.start("balance", self.balance.run)

    def come(self, *peers: str) -> None:
        for peer in peers:
            self.holdings.add(peer, lambda peer=peer: self.gone.append(peer))  # type: ignore[misc]

    async def told(self, streams: int, *, leader: bool = True) -> None:
        """The other replica serves so many."""
        own = Replica(OWN.id, OWN.address, OWN.port, streams=self.holdings.count)
        await self.side.put(
            catalogue_config([own, Replica(OTHER.id, OTHER.address, OTHER.port, leader=leader, streams=streams)])
        )
        await settle()

    async def pass_by(self, seconds: float, steps: int = 100) -> None:
        for _ in range(steps):
            await self.clock.advance(seconds / steps)


@pytest.fixture
async def side() -> AsyncIterator[Side]:
    side = Side()
    await side.open()
    yield side
    await side.close()


def peers(count: int) -> list[str]:
    return [f"p{number}" for number in range(count)]


async def test_the_oldest_go_a_few_at_a_time_until_both_have_as_many(side: Side) -> None:
    world = World(side)
    world.come(*peers(100))
    await world.told(100)
    await world.pass_by(10 * DELAY)
    assert world.gone == [] and world.clock.alarms == 0, "nothing runs while they are even"
    await world.told(0)
    await world.clock.advance(DELAY - 1)
    assert world.gone == [], "who has just come is left to be found first"
    await world.pass_by(DELAY * (PAUSE - 1) + 1 + INTERVAL * PAUSE)
    assert 1 <= len(world.gone) <= 25
    assert world.gone == peers(100)[: len(world.gone)]
    for _ in range(40):
        await world.told(len(world.gone))
        await world.pass_by(INTERVAL)
    assert len(world.gone) == world.holdings.moved == 50
    await settle()
    assert world.clock.alarms == 0


async def test_whoever_comes_back_is_spared(side: Side) -> None:
    world = World(side, step_percent=100)
    world.come("a", "b")
    await world.told(0)
    for _ in range(12):
        await world.pass_by(DELAY)
        back = world.gone[len(world.gone) - (2 - world.holdings.count) :]
        world.come(*back)
    assert world.gone == ["a", "b", "a", "b"], "a load balancer that leads everybody here is not fought"
    assert world.clock.alarms == 0
    await world.clock.advance(REST)
    world.come("c", "d")
    await world.pass_by(2 * DELAY)
    assert len(world.gone) >= 5


@pytest.mark.parametrize("trouble", ["store", "leader", "unlisted", "switched off", "alone"])
async def test_nobody_goes_while_it_is_not_known_how_others_are(side: Side, trouble: str) -> None:
    world = World(side, enabled=trouble != "switched off")
    world.cut_off = trouble == "store"
    world.come(*peers(20))
    if trouble == "unlisted":
        await side.put(catalogue_config([OTHER]))
    elif trouble == "alone":
        await side.put(catalogue_config([Replica(OWN.id, OWN.address, OWN.port, leader=True)]))
    else:
        await world.told(0, leader=trouble != "leader")
    await world.pass_by(10 * DELAY)
    assert world.gone == [] and world.clock.alarms == 0


async def test_it_waits_again_when_somebody_comes_or_goes_meanwhile(side: Side) -> None:
    world = World(side)
    world.come(*peers(20))
    await world.told(0)
    await world.clock.advance(DELAY / 2)
    third = Replica("third", "10.0.0.3", 5683)
    await side.put(catalogue_config([OWN, OTHER, third]))
    await world.clock.advance(DELAY)
    await asyncio.sleep(0)
    assert world.gone == []
    await world.pass_by(2 * PAUSE * DELAY)
    assert world.gone != []


async def test_an_outage_stops_a_round(side: Side) -> None:
    world = World(side, step_percent=100)
    world.come(*peers(20))
    await world.told(0)
    while not world.gone:
        await world.clock.advance(1)
    world.cut_off = True
    await world.pass_by(10 * DELAY)
    assert len(world.gone) == 1
