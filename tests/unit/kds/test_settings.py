"""Every timer and size of syncing is a setting that is kept to: what happens just before it, and what then."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import grpc
import pytest

from global_cp.absence import ZoneAbsence
from global_cp.leadership import Leadership
from global_cp.presence import Presence, lease_name
from global_cp.rollout_api import RolloutApi
from kds.admin_calls import REACH, STATS, AdminQuery
from kds.applier import Applier
from kds.connection import Connection
from kds.dialing import dial
from kds.insight import History, Session
from kds.liveness import Ear, Silent, watch_sender
from kds.offer import Everyone
from kds.ownership import FromGlobal
from kds.replicas.catalogue import catalogue_config
from kds.replicas.credentials import issue_credentials
from kds.replicas.holdings import Holdings
from kds.replicas.membership import Membership
from kds.replicas.peers import Peers
from kds.requester import Delivery, Node, Requester
from kds.sender import Sender, Speaker
from kds.status import ZoneStatus
from kds.streams import Line, run_requester
from kds.transport import GLOBAL_SERVICE, HEALTH, SYNC_SERVICE, UP, call_metadata, client_options, server_options
from kds.tuning import Tuning, global_tuning, zone_tuning
from kds.wire import HEARTBEAT, Request, decode_request, join_response
from tests.unit.global_cp.test_rollouts import Watched
from tests.unit.kds.lab import REGISTRY, Global, Side, Zone
from tests.unit.kds.test_membership import ANN, OWN, FakePeers, ManualClock, settle
from tests.unit.kds.test_replicas import CALLER, Host
from tests.unit.kds.test_replicas import host as host
from tests.unit.kds.test_sender import KIND, Desk
from tests.unit.kds.test_stream import running, timeout
from ursa.errors import Conflict, Unavailable
from ursa.model.resource import Resource
from ursa.model.timestamps import proto_timestamp
from ursa.runtime.clock import SystemClock
from ursa.runtime.config import Settings, describe, load
from ursa.runtime.config.setting import inert_because
from ursa.runtime.tasks import cancel_and_wait, spawn
from ursa.store.led import LedStore
from ursa.store.memory import MemoryStore
from ursa.store.retries import Retries, retries_of
from ursa.wire import mesh_pb2
from zone_cp.envoy_admin import EnvoyAdmin

EPOCH = "stamped@1"


def settings_of(**variables: str) -> Settings:
    return load(None, {f"KUMA_{name}": value for name, value in variables.items()}).settings


TUNINGS: dict[str, Callable[[Settings], Tuning]] = {
    "MULTIZONE_GLOBAL_KDS": global_tuning,
    "MULTIZONE_ZONE_KDS": zone_tuning,
}


@pytest.fixture(params=TUNINGS)
def tuned(request: pytest.FixtureRequest) -> Callable[..., Tuning]:
    """Makes the tuning of an end from its settings, which are named without their prefix."""

    def make(**variables: str) -> Tuning:
        prefixed = {f"{request.param}_{name}": value for name, value in variables.items()}
        return TUNINGS[request.param](settings_of(**prefixed))

    return make


class Clock(ManualClock):
    """Wall time passes with the other one, and nobody oversleeps."""

    async def advance(self, seconds: float) -> None:
        end = self._now + seconds
        while True:
            await settle()
            due = min((due for due, _, awake in self._sleepers if not awake.is_set() and due > self._now), default=end)
            await super().advance(min(due, end) - self._now)
            if self._now >= end:
                return

    async def stand_still(self, seconds: float) -> None:
        """The process does nothing while time passes."""
        await super().advance(seconds)

    def now_ns(self) -> int:
        return round(self._now * 1e9)


class Pipe:
    """A stream whose other end is the test."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[bytes] = asyncio.Queue()
        self.written: list[Request] = []

    async def read(self) -> object:
        return await self.incoming.get()

    async def write(self, message: bytes) -> None:
        self.written.append(decode_request(message))

    def kinds(self, kind: str) -> list[Request]:
        return [request for request in self.written if request.kind == kind]


class Receiver:
    """A requester of one kind on a stream, with time in the hands of the test."""

    def __init__(self, side: Side, tuning: Tuning, *, beats: bool = False) -> None:
        self.clock, self.pipe = Clock(), Pipe()
        kind = REGISTRY[KIND]
        applier = Applier(side.store, side.live, REGISTRY, self.clock, FromGlobal())
        line = Line(self.pipe, tuning.limits, self.clock)
        requester = Requester([kind], Node("zone-1"))
        requester.beats = beats
        running = run_requester(line, requester, applier, lambda: None)
        self.task = spawn(running, "receiver")

    async def hear(self, kind: str = KIND, nonce: str = "1", stamp: str = EPOCH) -> None:
        self.pipe.incoming.put_nowait(join_response(kind, nonce, (), (), identifier="global", stamp=stamp))
        await settle()


@pytest.fixture
async def side() -> AsyncIterator[Side]:
    side = Side()
    await side.open()
    yield side
    await side.close()


async def test_heartbeat_interval(side: Side, tuned: Callable[..., Tuning]) -> None:
    receiver = Receiver(side, tuned(HEARTBEAT_INTERVAL="7s", SILENCE_TIMEOUT="100s"), beats=True)
    await receiver.clock.advance(0.2)
    assert len(receiver.pipe.kinds(HEARTBEAT)) == 1, "who is known to listen hears from us at once"
    for _ in range(2):
        receiver.pipe.written.clear()
        await receiver.clock.advance(6.7)
        assert not receiver.pipe.kinds(HEARTBEAT)
        await receiver.clock.advance(0.3)
        assert len(receiver.pipe.kinds(HEARTBEAT)) == 1
    await cancel_and_wait(receiver.task)


async def test_silence_timeout(side: Side, tuned: Callable[..., Tuning]) -> None:
    receiver = Receiver(side, tuned(SILENCE_TIMEOUT="9s"))
    await receiver.hear()
    await receiver.clock.advance(8.9)
    assert not receiver.task.done()
    await receiver.clock.advance(0.2)
    with pytest.raises(Silent):
        await receiver.task


def test_keepalives(tuned: Callable[..., Tuning]) -> None:
    keepalive = tuned(KEEPALIVE_INTERVAL="7s", KEEPALIVE_TIMEOUT="3s").keepalive
    for options in (client_options(1, keepalive), server_options(1, keepalive)):
        assert {("grpc.keepalive_time_ms", 7000), ("grpc.keepalive_timeout_ms", 3000)} <= set(options)
    assert zone_tuning(settings_of()).keepalive.interval >= 15, "Kuma's globals end a connection for less"


async def test_the_global_sets_the_pace_of_its_zones() -> None:
    """Down by how often it sends, up by how soon it answers; no setting of a zone is needed."""
    pace = {"KUMA_MULTIZONE_GLOBAL_KDS_SEND_INTERVAL": "700ms", "KUMA_MULTIZONE_GLOBAL_KDS_RESPONSE_BACKOFF": "700ms"}
    centre = Global(**pace)
    async with running(centre):
        zone = Zone("east", centre.port)
        async with running(zone):
            await zone.until(lambda: zone.client.status.connected)
            sent, received = zone.client.status.up, centre.zones.connections["east"].sender.marks
            await zone.until(lambda: "Dataplane" in sent and sent["Dataplane"].acknowledged)
            before = (received[KIND].sent, sent["Dataplane"].sent)
            proxy = {"networking": {"address": "10.0.0.1", "inbound": [{"port": 80, "tags": {"kuma.io/service": "a"}}]}}
            for n in range(40):
                await centre.put(timeout(f"t{n}"))
                await zone.put(Resource("Dataplane", "default", f"d{n}", proxy))
            await zone.until(lambda: zone.named(KIND, "t39"))
            await centre.until(lambda: centre.named("Dataplane", "d39"))
            assert received[KIND].sent - before[0] <= 5
            assert sent["Dataplane"].sent - before[1] <= 5


async def test_a_process_that_stood_still_does_not_blame_the_peer(side: Side, tuned: Callable[..., Tuning]) -> None:
    receiver = Receiver(side, tuned(SILENCE_TIMEOUT="9s"))
    await receiver.hear()
    await receiver.clock.advance(1)
    await receiver.clock.stand_still(60)
    assert not receiver.task.done()
    await receiver.clock.advance(5)
    assert not receiver.task.done()
    await receiver.clock.advance(4)
    with pytest.raises(Silent):
        await receiver.task


async def test_message_send_timeout(side: Side, tuned: Callable[..., Tuning]) -> None:
    tuning = tuned(MSG_SEND_TIMEOUT="11s")
    deaf = Receiver(side, tuning)
    await settle()
    # Somebody whose answers prove nothing about life has to answer at all.
    desk, clock, pipe = Desk(), Clock(), Pipe()
    desk.sender = Sender(desk, lambda _: Everyone(), Speaker("global"), clock=clock)
    desk.ask()
    assert len(desk.sent()) == 1
    watch = spawn(watch_sender(Ear(pipe, clock), desk.sender, limits=tuning.limits, clock=clock), "watch")
    for one in (deaf.clock, clock):
        await one.advance(10.8)
    assert not deaf.task.done() and not watch.done()
    for one in (deaf.clock, clock):
        await one.advance(2.5)
    for task in (deaf.task, watch):
        with pytest.raises(Silent):
            await task


async def test_response_backoff(side: Side, tuned: Callable[..., Tuning]) -> None:
    receiver = Receiver(side, tuned(RESPONSE_BACKOFF="3s"))
    await receiver.hear(nonce="1")
    assert [one.nonce for one in receiver.pipe.kinds(KIND)] == ["", "1"], "the first one is answered at once"
    await receiver.hear(nonce="2")
    await receiver.clock.advance(2.9)
    assert len(receiver.pipe.kinds(KIND)) == 2
    await receiver.clock.advance(0.2)
    assert [one.nonce for one in receiver.pipe.kinds(KIND)] == ["", "1", "2"]
    await cancel_and_wait(receiver.task)


def test_nack_backoffs(tuned: Callable[..., Tuning]) -> None:
    desk, clock = Desk(), Clock()
    tuning = tuned(NACK_BACKOFF="3s", NACK_MAX_BACKOFF="5s")
    desk.sender = Sender(desk, lambda _: Everyone(), Speaker("any", pace=tuning.pace), clock=clock)
    desk.ask()
    desk.offer("a")
    assert desk.names() == [["a.m"]]
    for wait in (3.0, 5.0, 5.0):
        desk.ack(error="no")
        clock._now += wait - 0.1
        assert desk.names() == []
        clock._now += 0.2
        assert desk.names() == [["a.m"]], "alone, and once it is time"


SIZES = [
    ("CHUNK_SIZE", "2000", lambda marks: marks.sent >= 3 and not marks.withheld),
    ("MAX_MSG_SIZE", str((64 << 10) + 2000), lambda marks: len(marks.withheld) == 1),
]
"""A setting, a value for which the changes of the test are too large, and what has to come of it."""


@pytest.mark.parametrize(("name", "value", "expected"), SIZES)
@pytest.mark.parametrize("down", [True, False])
async def test_sizes(name: str, value: str, expected: Callable[[Any], bool], down: bool) -> None:
    own = "GLOBAL" if down else "ZONE"
    variables = {f"KUMA_MULTIZONE_{own}_KDS_{name}": value}
    centre = Global(**(variables if down else {}))
    async with running(centre):
        await centre.put(Resource("Mesh", "", "default"))
        zone = Zone("zone-1", centre.port, **({} if down else variables))
        async with running(zone):
            await zone.until(lambda: zone.live.current.get("Mesh", "", "default"))
            labels = {"kuma.io/origin": "zone"} if not down else {}
            made = [timeout("small").with_labels(labels), *(timeout(f"t{n}").with_labels(labels) for n in range(3))]
            padded = [
                one.with_labels({**one.labels, "padding": "x" * (1500 if n else 10)}) for n, one in enumerate(made)
            ]
            padded[1] = padded[1].with_labels({**padded[1].labels, "padding": "x" * 2500})
            source, target = (centre, zone) if down else (zone, centre)
            writes = [spawn(source.put(one), "write") for one in padded]
            await asyncio.gather(*writes)
            await target.until(lambda: target.named("MeshTimeout", "small"))

            def marks() -> Any:
                sent = centre.zones.connections["zone-1"].sender.marks if down else zone.client.status.up
                return sent["MeshTimeout"]

            await source.until(lambda: expected(marks()))
            if marks().withheld:
                assert target.named("MeshTimeout", "t0") is None
            else:
                await target.until(lambda: target.named("MeshTimeout", "t0"))


@pytest.mark.parametrize("down", [True, False])
async def test_labels_that_stay(down: bool) -> None:
    own = "GLOBAL" if down else "ZONE"
    variables = {f"KUMA_MULTIZONE_{own}_KDS_LABELS_SKIP_PREFIXES": "secret.example/"}
    settings = load(None, {"KUMA_MODE": "global", **(variables if down else {})}).settings
    centre = Global(prefixes=settings.multizone.global_.kds.labels.skip_prefixes)
    async with running(centre):
        zone = Zone("zone-1", centre.port, **({} if down else variables))
        async with running(zone):
            source, target = (centre, zone) if down else (zone, centre)
            labels = {"secret.example/x": "1", "public.example/y": "2"}
            await source.put(timeout("a").with_labels(labels if down else {**labels, "kuma.io/origin": "zone"}))
            found = await target.until(lambda: target.named("MeshTimeout", "a"))
            assert found.labels["public.example/y"] == "2" and "secret.example/x" not in found.labels


async def test_registration_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"REGISTRATION_TIMEOUT": "50ms", "SPLIT_REGISTRATION_TIMEOUT": "60ms"}
    centre = Global(**{f"KUMA_MULTIZONE_GLOBAL_KDS_{name}": value for name, value in names.items()})
    given: list[float | None] = []
    usual = asyncio.timeout

    def noted(delay: float | None) -> asyncio.Timeout:
        given.append(delay)
        return usual(delay)

    async with running(centre), grpc.aio.insecure_channel(f"127.0.0.1:{centre.port}") as channel:
        monkeypatch.setattr("global_cp.zones.asyncio.timeout", noted)
        stream = Connection(channel, call_metadata("east"), probe_timeout=1).stream(SYNC_SERVICE, UP)
        with pytest.raises(Unavailable, match="zone east is not registered"):
            await stream.ended()
        assert 0.05 in given and 0.06 not in given
        zone = Zone("east", centre.port)
        async with running(zone):
            await zone.until(lambda: zone.client.status.connected and centre.zones.connections)
            Connection(channel, call_metadata("east"), probe_timeout=1).stream(SYNC_SERVICE, UP)
            await zone.until(lambda: 0.06 in given)


async def test_health_checks() -> None:
    limits = {"POLL_INTERVAL": "1h", "TIMEOUT": "300ms"}
    centre = Global(**{f"KUMA_MULTIZONE_GLOBAL_KDS_ZONE_HEALTH_CHECK_{name}": v for name, v in limits.items()})
    async with running(centre):
        zone = Zone("east", centre.port, KUMA_MULTIZONE_ZONE_KDS_HEALTH_CHECK_INTERVAL="1h")
        async with running(zone):
            await zone.until(lambda: zone.client.status.restarts)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{centre.port}") as channel:
            connection = Connection(channel, call_metadata("east"), probe_timeout=1)
            answer = await connection.call(GLOBAL_SERVICE, HEALTH, b"")
            assert mesh_pb2.ZoneHealthCheckResponse.FromString(answer).interval.seconds == 3600


async def test_health_check_interval_of_a_zone() -> None:
    centre, calls = Global(), list[str]()
    centre.zones.checked = lambda zone: calls.append(zone) or 0.0  # type: ignore[method-assign,func-returns-value]
    async with running(centre):
        zone = Zone("east", centre.port, KUMA_MULTIZONE_ZONE_KDS_HEALTH_CHECK_INTERVAL="20ms")
        async with running(zone):
            await zone.until(lambda: len(calls) > 3)


async def test_questions_at_a_time() -> None:
    busy, most = 0, 0
    free = asyncio.Event()

    async def slow(_: AdminQuery) -> bytes:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await free.wait()
        busy -= 1
        return b"answer"

    centre = Global()
    async with running(centre):
        zone = Zone("east", centre.port, admin=slow, KUMA_MULTIZONE_ZONE_KDS_ADMIN_CONCURRENCY="2")
        async with running(zone):
            await centre.until(lambda: STATS in centre.tunnel.streams("east"))
            asked = [spawn(centre.tunnel.ask("east", AdminQuery(STATS, "Dataplane", "m", "d")), "q") for _ in range(6)]
            await centre.until(lambda: busy == 2)
            await asyncio.sleep(0.1)
            free.set()
            assert await asyncio.gather(*asked) == [b"answer"] * 6
            assert most == 2


async def test_connect_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float | None] = []
    usual = asyncio.timeout
    monkeypatch.setattr("kds.dialing.asyncio.timeout", lambda delay: given.append(delay) or usual(0.01))
    unanswered: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _reader, writer: unanswered.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    variables = {
        "MULTIZONE_ZONE_GLOBAL_ADDRESS": f"grpcs://127.0.0.1:{port}",
        "MULTIZONE_ZONE_KDS_TLS_SKIP_VERIFY": "true",
        "MULTIZONE_ZONE_KDS_CONNECT_TIMEOUT": "123s",
    }
    with pytest.raises(Unavailable, match="cannot reach"):
        await dial(settings_of(**variables).multizone.zone)
    assert given == [123.0]
    silent.close()
    for writer in unanswered:
        writer.close()


async def test_probe_timeout() -> None:
    asked: list[float] = []

    class Channel:
        def unary_unary(self, _method: str) -> Any:
            async def call(_request: bytes, *, metadata: object, timeout: float) -> bytes:
                asked.append(timeout)
                return b""

            return call

    made: list[Connection] = []
    zone = Zone("east", 1, KUMA_MULTIZONE_ZONE_KDS_PROBE_TIMEOUT="4s")
    with pytest.MonkeyPatch.context() as patch:

        def connection(channel: object, metadata: object, **options: Any) -> Connection:
            made.append(Connection(Channel(), metadata, **options))  # type: ignore[arg-type]
            raise Unavailable("that was all")

        patch.setattr("kds.client.Connection", connection)
        async with running(zone):
            await zone.until(lambda: made)
    assert await made[0].works("service", "method") and asked == [4.0]


async def test_reconnect_max_wait() -> None:
    limits = {
        "KUMA_GENERAL_RESILIENT_COMPONENT_MAX_BACKOFF": "60s",
        "KUMA_MULTIZONE_ZONE_KDS_RECONNECT_MAX_WAIT": "250ms",
    }
    spans: list[tuple[float, float]] = []

    def longest(_clock: SystemClock, low: float, high: float) -> float:
        spans.append((low, high))
        return high

    def waits() -> list[float]:
        return [high for low, high in spans if low == 0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SystemClock, "uniform", longest)
        zone = Zone("east", 1, **limits)
        async with running(zone):
            await zone.until(lambda: len(waits()) > 2)
    assert waits()[:3] == [0.2, 0.25, 0.25]


async def test_history_of_connections() -> None:
    limit = {"KUMA_METRICS_ZONE_SUBSCRIPTION_LIMIT": "2", "KUMA_METRICS_ZONE_COMPACT_FINISHED_SUBSCRIPTIONS": "true"}
    centre = Global(**limit)
    async with running(centre):
        for _ in range(3):
            zone = Zone("east", centre.port)
            async with running(zone):
                await zone.until(lambda: zone.client.status.connected)  # noqa: B023
                await centre.until(lambda: online(centre))
            await centre.until(lambda: not online(centre))
        insight = centre.live.current.get("ZoneInsight", "", "east")
        assert insight is not None
        first, last = insight.spec["subscriptions"]
        assert "config" not in first and "stat" not in first["status"] and last["config"]


def online(centre: Global) -> bool:
    insight = centre.live.current.get("ZoneInsight", "", "east")
    return insight is not None and not insight.spec["subscriptions"][-1].get("disconnectTime")


class Contested(MemoryStore):
    """Somebody else always writes first, so many times."""

    def __init__(self, clock: SystemClock, losses: int) -> None:
        super().__init__(clock)
        self.losses = losses

    async def write(self, *writes: Any, **options: Any) -> Any:
        if self.losses:
            self.losses -= 1
            raise Conflict("somebody else was faster")
        return await super().write(*writes, **options)


def upsert(**variables: str) -> Retries:
    return retries_of(settings_of(**{f"STORE_UPSERT_CONFLICT_RETRY_{k}": v for k, v in variables.items()}).store.upsert)


async def test_retries_after_conflicts() -> None:
    retries = upsert(MAX_TIMES="2", BASE_BACKOFF="1s", JITTER_PERCENT="0")
    for losses, stored in ((2, True), (3, False)):
        clock, kind = Clock(), REGISTRY["ZoneInsight"]
        store = Contested(SystemClock(), losses)
        status = ZoneStatus(
            store, clock, kind, "east", Session("s", "g", 0), flush_interval=1, history=History(), retries=retries
        )
        writing = spawn(status.record(), "write")
        await clock.advance(0.9)
        assert store.losses == losses - 1
        await clock.advance(0.2)
        assert store.losses == losses - 2
        await clock.advance(1.8)
        assert not writing.done()
        await clock.advance(0.3)
        assert await writing is stored


async def test_plans_are_made_anew_as_often(side: Side) -> None:
    for variable in TUNINGS:
        tuning = TUNINGS[variable](settings_of(STORE_UPSERT_CONFLICT_RETRY_MAX_TIMES="2"))
        applier = Applier(side.store, side.live, REGISTRY, side.clock, FromGlobal(), attempts=tuning.attempts)
        tried = 0

        async def lost(_: object) -> None:
            nonlocal tried
            tried += 1
            raise Conflict("somebody else was faster")

        applier._store_and_see = lost  # type: ignore[method-assign,assignment]
        sent = timeout("a").with_labels({"kuma.io/origin": "global"})
        await applier.apply(Delivery("MeshTimeout", "1", complete=False, resources=(sent,)))
        assert tried == 2 + 1, "twice as a whole, then one by one"


@pytest.mark.parametrize(("variables", "asked"), [({"WITNESSES": "2"}, 2), ({"ENABLED": "false"}, 0)])
async def test_absent_zones(variables: dict[str, str], asked: int, side: Side) -> None:
    reached: list[str] = []

    class Proxies:
        async def reach(self, witness: str, _address: str) -> None:
            reached.append(witness)

    named = {f"MULTIZONE_GLOBAL_ABSENCE_{name}": value for name, value in {"LEASE": "1ms", **variables}.items()}
    await side.put(
        Resource("ZoneIngress", "", "gate", {"zone": "gone", "networking": {"address": "10.0.0.1", "port": 10001,
                 "advertisedAddress": "10.0.0.1", "advertisedPort": 10001}}, {"kuma.io/zone": "gone"}),
        insight("gone", disconnected=True),
        *(insight(f"z{n}", disconnected=False) for n in range(4)),
    )  # fmt: skip
    absence = ZoneAbsence(settings_of(MODE="global", **named), side.store, side.live, Proxies(), side.clock)  # type: ignore[arg-type]
    side.supervisor.start("absence", absence.run)
    if asked:
        await side.until(lambda: reached)
    await asyncio.sleep(0.1)
    assert len(set(reached)) == asked


def insight(zone: str, *, disconnected: bool) -> Resource:
    subscription = {"id": zone, "globalInstanceId": "g", "connectTime": "2099-01-01T00:00:00Z"}
    if disconnected:
        subscription["disconnectTime"] = proto_timestamp(SystemClock().now_ns() + 10**9)
    return Resource("ZoneInsight", "", zone, {"subscriptions": [subscription]})


async def test_leases(side: Side) -> None:
    settings = settings_of(MODE="global", INTER_CP_LEASE_LEADER="7s", INTER_CP_LEASE_PRESENCE="8s")
    asked: dict[str, float] = {}
    acquire = side.store.acquire

    async def noted(name: str, holder: str, ttl: float) -> Any:
        asked[name] = ttl
        return await acquire(name, holder, ttl)

    side.store.acquire = noted  # type: ignore[method-assign]
    led = LedStore(side.store)
    ttl = settings.inter_cp.lease.presence
    presence = Presence(led, side.live, side.clock, REGISTRY["ZoneInsight"], "me", ttl=ttl)
    side.supervisor.start("leadership", Leadership(settings, led, side.clock, presence, "me").run)
    await side.until(lambda: len(asked) == 2)
    assert asked == {"global/leader": 7.0, lease_name("me"): 8.0}


async def test_heartbeats_of_replicas(side: Side) -> None:
    variables = {
        "INTER_CP_CATALOG_HEARTBEAT_INTERVAL": "3s",
        "INTER_CP_CLIENT_PING_MAX_BACKOFF": "4s",
    }
    clock, peers = ManualClock(), FakePeers()
    membership = Membership(settings_of(**variables), OWN, side.store, side.live, peers, clock, Holdings())  # type: ignore[arg-type]
    await side.put(catalogue_config([OWN, type(ANN)("ann", ANN.address, ANN.port, leader=True)]))
    side.supervisor.start("follow", membership.follow)
    await side.until(lambda: len(peers.pings) == 1)
    await clock.advance(2.9)
    assert len(peers.pings) == 1
    await clock.advance(0.2)
    assert len(peers.pings) == 2
    peers.dead.add("ann")
    await clock.advance(3)
    before = len(peers.pings)
    # Now it would be 6 s, and then 12.
    for _ in range(3):
        await clock.advance(3.9)
        assert len(peers.pings) == before
        await clock.advance(0.2)
        assert len(peers.pings) == before + 1
        before += 1


async def test_calls_to_replicas(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {"PING_TIMEOUT": "3s", "ANSWER_TIMEOUT": "4s", "CONNECT_TIMEOUT": "5s", "IDLE_TIMEOUT": "6s"}
    settings = settings_of(**{f"INTER_CP_CLIENT_{name}": value for name, value in variables.items()})
    clock, made, given = ManualClock(), list[dict[str, object]](), list[float]()
    usual = grpc.aio.secure_channel

    def channel(target: str, credentials: Any, options: Any) -> Any:
        made.append(dict(options))
        return usual(target, credentials, options)

    monkeypatch.setattr("kds.replicas.peers.grpc.aio.secure_channel", channel)
    await host.start().listening.wait()
    peers = Peers(clock, settings.inter_cp.client)
    await peers.trust(issue_credentials(host.authority(), "127.0.0.1", SystemClock().now_ns()))
    assert await peers.ping(host.own, CALLER, ready=True)
    await clock.advance(5.9)
    assert await peers.ping(host.own, CALLER, ready=True)
    assert len(made) == 1 and made[0]["grpc.min_reconnect_backoff_ms"] == 5000
    await clock.advance(6.1)
    assert await peers.ping(host.own, CALLER, ready=True)
    assert len(made) == 2, "a connection that was not used is made anew"

    async def call(_replica: object, _method: str, _request: bytes, timeout: float, **_: object) -> bytes:
        given.append(timeout)
        raise Unavailable("enough")

    monkeypatch.setattr(peers, "_call", call)
    for asked in (
        peers.ping(host.own, CALLER, ready=True),
        peers.ask(host.own, AdminQuery(STATS, "Dataplane", "m", "d")),
    ):
        with pytest.raises(Unavailable):
            await asked
    assert given == [3.0, 4.0]
    await peers.close()


async def test_questions_about_rollouts_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float | None] = []

    async def noted(waiting: Coroutine[Any, Any, object], seconds: float | None, _clock: object) -> None:
        asked.append(seconds)
        waiting.close()
        raise Unavailable("that was all")

    class Elsewhere:
        def holder(self, _zone: str) -> object:
            return "another replica"

        async def ask(self, *_: str) -> None:
            return None

    watched = Watched()
    settings = settings_of(MULTIZONE_GLOBAL_ROLLOUTS_ASK_INTERVAL="7s").multizone.global_.rollouts
    async with running(watched):
        await watched.put(Resource("Zone", "", "west", {"enabled": True}), timeout("a"))
        api = RolloutApi(watched.rollouts, watched.live, watched.clock, Elsewhere(), settings=settings)  # type: ignore[arg-type]
        monkeypatch.setattr("global_cp.rollout_api.within", noted)
        with pytest.raises(Unavailable):
            await api._until(await watched.store.revision(), "stored", frozenset())
    assert asked == [7.0]


async def test_how_long_a_witness_looks(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []
    usual = asyncio.timeout
    monkeypatch.setattr("zone_cp.witness.asyncio.timeout", lambda delay: given.append(delay) or usual(5))
    networking = {"address": "127.0.0.1", "port": 1, "advertisedAddress": "127.0.0.1", "advertisedPort": 1}
    await side.put(Resource("ZoneIngress", "", "gate", {"zone": "west", "networking": networking}))
    seconds = settings_of(MULTIZONE_ZONE_KDS_WITNESS_TIMEOUT="7s").multizone.zone.kds.witness_timeout
    admin = EnvoyAdmin(side.live, side.clock, 9901, timeout=1, witness_timeout=seconds)
    with pytest.raises(Unavailable, match="cannot reach"):
        await admin.answer(AdminQuery(STATS, REACH, "", "127.0.0.1:1"))
    assert given == [7.0]


TESTS = Path(__file__).parents[2]
ELSEWHERE = {
    "MULTIZONE_ZONE_KDS_TLS_SKIP_VERIFY": "test_whoever_is_there_is_trusted_if_verification_is_off",
    "MULTIZONE_ZONE_KDS_ROOT_CA_FILE": "test_a_certificate_for_another_name_is_refused",
    "INTER_CP_SERVER_TLS_MIN_VERSION": "test_the_port_of_replicas_keeps_to_the_rules",
    **{
        f"{server}_TLS_{rule}": f"test_the_port_of_{who}_keeps_to_the_rules"
        for server, who in (("MULTIZONE_GLOBAL_KDS", "zones"), ("INTER_CP_SERVER", "replicas"))
        for rule in ("MIN_VERSION", "MAX_VERSION", "CIPHER_SUITES")
    },
    **{
        f"{end}_{name}": test
        for end in TUNINGS
        for name, test in {
            "HEARTBEAT_INTERVAL": "test_heartbeat_interval",
            "SILENCE_TIMEOUT": "test_silence_timeout",
            "MSG_SEND_TIMEOUT": "test_message_send_timeout",
            "KEEPALIVE_INTERVAL": "test_keepalives",
            "KEEPALIVE_TIMEOUT": "test_keepalives",
            "RESPONSE_BACKOFF": "test_response_backoff",
            "NACK_BACKOFF": "test_nack_backoffs",
            "NACK_MAX_BACKOFF": "test_nack_backoffs",
            "CHUNK_SIZE": "test_sizes",
            "MAX_MSG_SIZE": "test_sizes",
            "LABELS_SKIP_PREFIXES": "test_labels_that_stay",
        }.items()
    },
    **{
        f"{prefix}_{name}": test
        for prefix, names, test in (
            ("MULTIZONE_GLOBAL_KDS", ("REGISTRATION_TIMEOUT", "SPLIT_REGISTRATION_TIMEOUT"),
             "test_registration_timeouts"),
            ("MULTIZONE_GLOBAL_KDS_ZONE_HEALTH_CHECK", ("POLL_INTERVAL", "TIMEOUT"), "test_health_checks"),
            ("MULTIZONE_GLOBAL_ABSENCE", ("ENABLED", "WITNESSES"), "test_absent_zones"),
            ("INTER_CP_CLIENT", ("PING_TIMEOUT", "ANSWER_TIMEOUT", "CONNECT_TIMEOUT", "IDLE_TIMEOUT"),
             "test_calls_to_replicas"),
        )
        for name in names
    },
}  # fmt: skip
"""Tests of settings whose variables they put together."""

AS_NUMBERS = re.compile(r"INTER_CP_BALANCE_|MULTIZONE_GLOBAL_DRAIN_")
"""Given to what they are for by tests of that, `test_balance.py` and `test_draining.py`."""


def test_every_setting_has_a_test() -> None:
    texts = {file: file.read_text() for file in TESTS.rglob("test_*.py") if "unit/config" not in str(file)}
    everything = "\n".join(texts.values())
    assert all(f"def {test}(" in everything for test in ELSEWHERE.values())
    named = "\n".join(text for file, text in texts.items() if file != Path(__file__)) + _without_table()
    missing = [
        setting.variable
        for setting in describe()
        if setting.key.startswith(("multizone.", "interCp.", "metrics.zone."))
        and not inert_because(setting.field)
        and setting.variable not in ELSEWHERE
        and not AS_NUMBERS.match(setting.variable)
        and not re.search(rf"\b(KUMA_|URSA_)?{setting.variable}\b", named)
    ]
    assert missing == []


def _without_table() -> str:
    return Path(__file__).read_text().partition("ELSEWHERE = {")[0]
