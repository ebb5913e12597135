"""Who is in the catalogue, and how soon."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable

import pytest

from kds.replicas.catalogue import CONFIG, Replica, catalogue_config, read_catalogue
from kds.replicas.holdings import Holdings
from kds.replicas.membership import Membership
from tests.unit.kds.lab import Side
from ursa.errors import Unavailable
from ursa.runtime.clock import SystemClock
from ursa.runtime.config import load
from ursa.store.contract import Update
from ursa.view.live import LiveView

OWN = Replica("own", "10.0.0.1", 5683)
ANN, BEN = Replica("ann", "10.0.0.2", 5683), Replica("ben", "10.0.0.3", 5683)
HEARTBEAT, INTERVAL = 5.0, 15.0


class ManualClock(SystemClock):
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []
        self.alarms = 0
        """How many sleep."""

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        awake = asyncio.Event()
        heapq.heappush(self._sleepers, (self._now + seconds, id(awake), awake))
        self.alarms += 1
        try:
            await awake.wait()
        finally:
            self.alarms -= 1

    async def advance(self, seconds: float) -> None:
        # Whoever is about to sleep does so before.
        await settle()
        self._now += seconds
        while self._sleepers and self._sleepers[0][0] <= self._now:
            heapq.heappop(self._sleepers)[2].set()
        await settle()


class FakePeers:
    """Takes pings, or does not answer."""

    def __init__(self) -> None:
        self.pings: list[tuple[str, bool]] = []
        self.dead: set[str] = set()

    async def ping(self, leader: Replica, own: Replica, *, ready: bool) -> bool:
        self.pings.append((leader.id, ready))
        if leader.id in self.dead:
            raise Unavailable("nobody is there")
        return True


class Member:
    """A replica without network."""

    def __init__(self, side: Side, live: LiveView | None = None) -> None:
        self.side, self.clock, self.peers = side, ManualClock(), FakePeers()
        settings = load(None, {"KUMA_MODE": "global"}).settings
        self.holdings = Holdings()
        view = live or side.live
        self.membership = Membership(settings, OWN, side.store, view, self.peers, self.clock, self.holdings)

    def run(self, name: str, run: Callable[[], object]) -> None:
        self.side.supervisor.start(name, run)

    def listed(self) -> dict[str, bool]:
        return {one.id: one.leader for one in read_catalogue(self.side.live.current)}


@pytest.fixture
async def side() -> AsyncIterator[Side]:
    side = Side()
    await side.open()
    yield side
    await side.close()


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_replicas_are_listed_when_heard_of_and_leave_when_silent(side: Side) -> None:
    member = Member(side)
    member.run("lead", member.membership.lead)
    await side.until(lambda: member.listed() == {"own": True})
    assert member.membership.pinged(ANN, True) and member.membership.pinged(BEN, True)
    await side.until(lambda: member.listed() == {"own": True, "ann": False, "ben": False})
    member.membership.pinged(BEN, False)
    await side.until(lambda: member.listed() == {"own": True, "ann": False})
    revision = await side.store.revision()
    for _ in range(3):
        await member.clock.advance(INTERVAL - 1)
        member.membership.pinged(ANN, True)
        await member.clock.advance(1)
    assert await side.store.revision() == revision, "nothing changed, so nothing is written"
    await member.clock.advance(INTERVAL)
    await side.until(lambda: member.listed() == {"own": True})


async def test_who_is_alone_waits_for_nothing(side: Side) -> None:
    member = Member(side)
    member.run("lead", member.membership.lead)
    member.run("follow", member.membership.follow)
    await side.until(lambda: member.listed() == {"own": True})
    await settle()
    assert member.clock.alarms == 0
    # Long after the first interval somebody comes, and is not taken for one who was silent in it.
    await member.clock.advance(10 * INTERVAL)
    member.membership.pinged(ANN, True)
    await side.until(lambda: member.listed() == {"own": True, "ann": False})
    await settle()
    assert (member.listed(), member.clock.alarms) == ({"own": True, "ann": False}, 1)


async def test_a_replica_at_another_address_is_listed_there_at_once(side: Side) -> None:
    member = Member(side)
    member.run("lead", member.membership.lead)
    moved = Replica("ann", "10.0.0.9", 5683)
    await side.until(lambda: member.listed())
    for place in (ANN, moved):
        member.membership.pinged(place, True)
        await side.until(lambda place=place: place in read_catalogue(side.live.current))


async def test_a_new_leader_keeps_who_was_listed_for_one_interval(side: Side) -> None:
    await side.put(catalogue_config([ANN, Replica("ben", BEN.address, BEN.port, leader=True)]))
    member = Member(side)
    member.run("lead", member.membership.lead)
    await side.until(lambda: member.listed() == {"own": True, "ann": False, "ben": False})
    member.membership.pinged(ANN, True)
    await member.clock.advance(INTERVAL)
    await side.until(lambda: member.listed() == {"own": True, "ann": False})
    await side.supervisor.stop("lead")
    await side.until(lambda: member.listed() == {"own": False, "ann": False})
    assert not member.membership.pinged(BEN, True)


async def test_a_leader_whose_view_lags_is_marked_nevertheless(side: Side) -> None:
    await side.put(catalogue_config([BEN]))
    lagging = LiveView(side.store)
    await lagging.load()
    member = Member(side, lagging)
    known = side.live.current.get("Config", "", CONFIG)
    assert known is not None
    await side.store.write([Update(catalogue_config([ANN, BEN]), known.version)])
    member.run("lead", member.membership.lead)
    await settle()
    member.run("lagging view", lagging.run)
    await side.until(lambda: member.listed().get("own"))


async def test_followers_ping_the_leader_there_is_and_say_goodbye(side: Side) -> None:
    member = Member(side)
    member.run("follow", member.membership.follow)
    await settle()
    assert member.peers.pings == []
    await side.put(catalogue_config([Replica("ann", ANN.address, ANN.port, leader=True)]))
    await side.until(lambda: member.peers.pings == [("ann", True)])
    for count in (2, 3):
        await member.clock.advance(HEARTBEAT)
        assert member.peers.pings == [("ann", True)] * count
    await side.supervisor.stop("follow")
    assert member.peers.pings[-1] == ("ann", False)


async def test_followers_of_a_dead_leader_turn_to_the_next_one_at_once(side: Side) -> None:
    member = Member(side)
    member.peers.dead.add("ann")
    await side.put(catalogue_config([Replica("ann", ANN.address, ANN.port, leader=True)]))
    member.run("follow", member.membership.follow)
    await side.until(lambda: member.peers.pings)
    for delay in (2 * HEARTBEAT, 4 * HEARTBEAT, 8 * HEARTBEAT):
        before = len(member.peers.pings)
        await member.clock.advance(delay - 1)
        assert len(member.peers.pings) == before, "who does not answer is asked ever more seldom"
        await member.clock.advance(1)
        assert len(member.peers.pings) == before + 1
    # The next ping would be due in a minute.
    await side.put(catalogue_config([ANN, Replica("ben", BEN.address, BEN.port, leader=True)]))
    await side.until(lambda: member.peers.pings[-1] == ("ben", True))
    before = len(member.peers.pings)
    await member.clock.advance(HEARTBEAT)
    assert len(member.peers.pings) == before + 1
