"""A question about a proxy goes to the replica that holds its zone's stream, under the name that is right there."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from global_cp.proxies import ForwardedProxies
from kds.admin_calls import CLUSTERS, CONFIG, REACH, STATS, AdminQuery
from kds.replicas.catalogue import Replica, catalogue_config
from kds.rollout_report import REPORT
from tests.unit.kds.lab import Side
from ursa.errors import NotFound, Unavailable
from ursa.model.resource import Resource

OTHER = Replica("g2", "10.0.0.2", 5683)
OFFLINE = "zone is offline"
LABELS = {"kuma.io/origin": "zone", "kuma.io/zone": "east", "kuma.io/display-name": "web"}
WEB = Resource("Dataplane", "default", "web-4f2d", {"networking": {"address": "10.1.0.1"}}, labels=LABELS)
DUMP = AdminQuery(CONFIG, "Dataplane", "default", "web-4f2d", include_eds=True)


class FakeTunnel:
    """Answers for the zones whose streams end here."""

    def __init__(self) -> None:
        self.zones: set[str] = set()
        self.asked: list[tuple[str, AdminQuery]] = []

    def streams(self, zone: str) -> frozenset[str]:
        return frozenset((CONFIG, STATS, CLUSTERS) if zone in self.zones else ())

    async def ask(self, zone: str, query: AdminQuery) -> bytes:
        if zone not in self.zones:
            raise Unavailable(OFFLINE)
        self.asked.append((zone, query))
        return b"here"


class FakePeers:
    """Takes questions for other replicas."""

    def __init__(self) -> None:
        self.asked: list[tuple[Replica, AdminQuery]] = []

    async def ask(self, replica: Replica, query: AdminQuery) -> bytes:
        self.asked.append((replica, query))
        return b"there"


class Road:
    """A replica called g1, and the ways it has."""

    def __init__(self, side: Side) -> None:
        self.side, self.tunnel, self.peers = side, FakeTunnel(), FakePeers()
        self.proxies = ForwardedProxies(self.tunnel, side.live, self.peers, "g1", questions={REPORT: self._rollout})

    async def connect(self, instance: str, **more: str) -> None:
        """The zone is recorded as connected to an instance."""
        connection = {"id": "1", "globalInstanceId": instance, "connectTime": "2026-01-01T00:00:00Z", **more}
        await self.side.put(Resource("ZoneInsight", "", "east", {"subscriptions": [connection]}))

    async def _rollout(self, question: str) -> bytes:
        return question.encode()


@pytest.fixture
async def road() -> AsyncIterator[Road]:
    side = Side()
    await side.open()
    await side.put(WEB)
    yield Road(side)
    await side.close()


async def test_the_zone_is_asked_here_when_its_stream_is_here_whatever_is_recorded(road: Road) -> None:
    road.tunnel.zones.add("east")
    await road.connect("g2")
    await road.side.put(catalogue_config([OTHER]))
    assert await road.proxies.ask(WEB, DUMP) == b"here"
    ((zone, query),) = road.tunnel.asked
    assert (zone, query.name, query.include_eds) == ("east", "web", True)


async def test_another_replica_is_asked_with_the_name_that_it_knows_too(road: Road) -> None:
    await road.connect("g2")
    await road.side.put(catalogue_config([OTHER]))
    assert await road.proxies.ask(WEB, DUMP) == b"there"
    assert road.peers.asked == [(OTHER, DUMP)]


async def test_a_replica_that_is_not_listed_is_named(road: Road) -> None:
    await road.connect("g2")
    text = "couldn't execute Stats operation, zone east is connected to replica g2, which is not there"
    with pytest.raises(Unavailable, match=text):
        await road.proxies.ask(WEB, AdminQuery(STATS, "Dataplane", "default", "web-4f2d"))


async def test_a_zone_that_left_is_offline_wherever_it_was(road: Road) -> None:
    await road.side.put(catalogue_config([OTHER]))
    for instance in ("g2", "g1"):
        await road.connect(instance, disconnectTime="2026-01-01T00:00:05Z")
        with pytest.raises(Unavailable, match=OFFLINE):
            await road.proxies.ask(WEB, DUMP)
    assert road.peers.asked == []


async def test_what_another_replica_asks_is_not_passed_on(road: Road) -> None:
    await road.connect("g2")
    await road.side.put(catalogue_config([OTHER]))
    with pytest.raises(Unavailable, match=OFFLINE):
        await road.proxies.answer(DUMP)
    with pytest.raises(NotFound, match='resource not found: type="ZoneEgress" name="out" mesh=""'):
        await road.proxies.answer(AdminQuery(STATS, "ZoneEgress", "", "out"))
    assert road.peers.asked == []


async def test_a_witness_is_asked_where_it_is(road: Road) -> None:
    await road.connect("g2")
    await road.side.put(catalogue_config([OTHER]))
    await road.proxies.reach("east", "10.0.0.9:10001")
    ((replica, passed),) = road.peers.asked
    assert replica == OTHER
    road.tunnel.zones.add("east")
    await road.proxies.answer(passed)
    assert road.tunnel.asked == [("east", AdminQuery(STATS, REACH, "", "10.0.0.9:10001"))]
