"""The catalogue's format, and who may call the port of replicas."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import grpc
import pytest

from kds.admin_calls import CLUSTERS, CONFIG, STATS, AdminQuery
from kds.replicas.catalogue import Replica, catalogue_config, read_catalogue
from kds.replicas.credentials import issue_credentials
from kds.replicas.peers import PING, Peers
from kds.replicas.port import ReplicaPort
from tests.servers.ports import free_port
from tests.unit.kds.lab import Side
from ursa.admission.startup import ensure_defaults
from ursa.errors import NotFound, Unavailable
from ursa.identity.ca import create_named_ca
from ursa.identity.kept_authority import INTER_CP
from ursa.identity.signing_keys import secret
from ursa.model.resource import Resource
from ursa.runtime.config import load
from ursa.runtime.config.multizone import InterCpClient

HOME = "127.0.0.1"
CALLER = Replica("two", HOME, 5)
PORT = "port of replicas"


class Host:
    """One replica's port, which can be stopped and started, and what it was told."""

    def __init__(self, side: Side) -> None:
        self.side, self.own = side, Replica("one", HOME, free_port())
        self.pings: list[tuple[Replica, bool]] = []
        self.peers = Peers(side.clock, InterCpClient())

    def start(self) -> ReplicaPort:
        port = ReplicaPort(
            self.own, self.side.live, self.peers, self.side.clock, pinged=self._pinged, answer=self._answer
        )
        self.side.supervisor.start(PORT, port.run)
        return port

    async def stop(self) -> None:
        await self.side.supervisor.stop(PORT)

    def authority(self) -> Resource:
        found = self.side.live.current.get("GlobalSecret", "", INTER_CP)
        assert found is not None
        return found

    async def caller(self) -> Peers:
        """Another replica's way to call."""
        peers = Peers(self.side.clock, InterCpClient())
        await peers.trust(issue_credentials(self.authority(), HOME, self.side.clock.now_ns()))
        return peers

    def _pinged(self, replica: Replica, ready: bool) -> bool:
        self.pings.append((replica, ready))
        return True

    async def _answer(self, query: AdminQuery) -> bytes:
        if query.name == "nobody":
            raise NotFound(f'resource not found: type="{query.kind}" name="{query.name}" mesh="{query.mesh}"')
        if query.name == "far":
            raise Unavailable("zone is offline")
        return f"{query.call} {query.kind} {query.name} {query.as_json} {query.include_eds}".encode()


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    side = Side()
    await side.open()
    await ensure_defaults(side.store, load(None, {"KUMA_MODE": "global"}).settings, side.clock)
    await side.live.wait_for(await side.store.revision())
    yield Host(side)
    await side.close()


async def test_the_catalogue_is_kumas_with_streams(host: Host) -> None:
    replicas = [Replica("vm-b", "10.0.0.2", 5683, streams=7), Replica("vm-a", HOME, 5783, leader=True)]
    config = catalogue_config(replicas)
    assert config.name == "cp-catalog"
    assert config.spec["config"] == (
        '{"instances":[{"id":"vm-a","address":"127.0.0.1","interCpPort":5783,"leader":true,"streams":0},'
        '{"id":"vm-b","address":"10.0.0.2","interCpPort":5683,"leader":false,"streams":7}]}'
    )
    await host.side.put(config)
    found = read_catalogue(host.side.live.current)
    assert found == tuple(sorted(replicas))
    assert [one.streams for one in found] == [0, 7]


async def test_only_replicas_get_an_answer(host: Host) -> None:
    await host.start().listening.wait()
    peers = await host.caller()
    assert await peers.ping(host.own, replace(CALLER, streams=9), ready=True)
    assert host.pings == [(CALLER, True)]
    assert host.pings[0][0].streams == 9
    authority = issue_credentials(host.authority(), HOME, host.side.clock.now_ns()).authority
    other_ca = create_named_ca("Control Plane Intercommunication CA", host.side.clock.now_ns())
    stranger = issue_credentials(
        secret("GlobalSecret", "", INTER_CP, other_ca.bundle_pem + other_ca.key_pem), HOME, host.side.clock.now_ns()
    )
    for credentials in (
        grpc.ssl_channel_credentials(authority),
        grpc.ssl_channel_credentials(authority, stranger.key, stranger.certificate),
    ):
        async with grpc.aio.secure_channel(f"{HOME}:{host.own.port}", credentials) as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await channel.unary_unary(f"/{PING}/Ping")(b"", timeout=3)
    assert len(host.pings) == 1
    await peers.close()


async def test_questions_keep_their_options_and_failures_their_words(host: Host) -> None:
    await host.start().listening.wait()
    peers = await host.caller()
    clusters = AdminQuery(CLUSTERS, "Dataplane", "default", "web", as_json=True)
    assert await peers.ask(host.own, clusters) == b"clusters Dataplane web True False"
    dump = AdminQuery(CONFIG, "ZoneIngress", "", "gate", include_eds=True)
    assert await peers.ask(host.own, dump) == b"config ZoneIngress gate False True"
    with pytest.raises(Unavailable, match=r"^zone is offline$"):
        await peers.ask(host.own, AdminQuery(STATS, "Dataplane", "default", "far"))
    with pytest.raises(Unavailable, match='replica one cannot be asked: resource not found: type="Dataplane"'):
        await peers.ask(host.own, AdminQuery(STATS, "Dataplane", "default", "nobody"))
    await peers.close()


async def test_a_replica_that_restarts_at_its_address_is_asked_again_at_once(host: Host) -> None:
    await host.start().listening.wait()
    peers = await host.caller()
    assert await peers.ping(host.own, CALLER, ready=True)
    await host.stop()
    for _ in range(3):
        # After failures like these a channel of gRPC would not even try for seconds.
        with pytest.raises(Unavailable, match="replica one cannot be asked"):
            await peers.ping(host.own, CALLER, ready=True)
    await host.start().listening.wait()
    assert await peers.ping(host.own, CALLER, ready=True)
    await peers.close()


async def test_another_authority_takes_the_place_of_the_first(host: Host) -> None:
    await host.start().listening.wait()
    before = await host.caller()
    await before.ping(host.own, CALLER, ready=True)
    authority = create_named_ca("Control Plane Intercommunication CA", host.side.clock.now_ns())
    await host.side.put(secret("GlobalSecret", "", INTER_CP, authority.bundle_pem + authority.key_pem))
    after = await host.caller()
    async with asyncio.timeout(10):
        while True:
            try:
                assert await after.ping(host.own, CALLER, ready=True)
                break
            except Unavailable:
                await asyncio.sleep(0.05)
    with pytest.raises(Unavailable):
        await before.ping(host.own, CALLER, ready=True)
    # The replica itself calls with the new one, too.
    assert await host.peers.ping(host.own, CALLER, ready=True)
    for peers in (before, after):
        await peers.close()
