"""The catalogue's format, and who may call the port of replicas."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from kds.replicas.catalogue import Replica, catalogue_config, read_catalogue
from kds.replicas.credentials import credentials
from kds.replicas.peers import PING, Peers
from kds.replicas.port import ReplicaPort
from tests.failure.test_global_kill import free_port
from tests.unit.kds.lab import Side
from ursa.admission.startup import ensure_defaults
from ursa.errors import Unavailable
from ursa.runtime.config import load


@pytest.fixture
async def side() -> AsyncIterator[Side]:
    side = Side()
    await side.open()
    await ensure_defaults(side.store, load(None, {"KUMA_MODE": "global"}).settings, side.clock)
    yield side
    await side.close()


async def test_the_catalogue_is_kumas(side: Side) -> None:
    replicas = [Replica("vm-b", "10.0.0.2", 5683), Replica("vm-a", "127.0.0.1", 5783, leader=True)]
    config = catalogue_config(replicas)
    assert config.name == "cp-catalog"
    assert config.spec["config"] == (
        '{"instances":[{"id":"vm-a","address":"127.0.0.1","interCpPort":5783,"leader":true},'
        '{"id":"vm-b","address":"10.0.0.2","interCpPort":5683,"leader":false}]}'
    )
    await side.put(config)
    assert read_catalogue(side.live.current) == tuple(sorted(replicas))


async def test_only_replicas_get_an_answer(side: Side) -> None:
    pings: list[tuple[Replica, bool]] = []

    def pinged(replica: Replica, ready: bool) -> bool:
        pings.append((replica, ready))
        return True

    async def nobody(_: object) -> bytes:
        raise Unavailable("nobody is there")

    own, peers = Replica("one", "127.0.0.1", free_port()), Peers(side.clock)
    side.supervisor.start("port", ReplicaPort(own, side.live, peers, side.clock, pinged=pinged, answer=nobody).run)
    other = Peers(side.clock)
    other.credentials = await credentials(side.live, "127.0.0.1", side.clock)
    caller = Replica("two", "127.0.0.1", 5)
    async with asyncio.timeout(10):
        while True:
            try:
                assert await other.ping(own, caller, ready=True)
                break
            except Unavailable:
                await asyncio.sleep(0.05)
    assert pings == [(caller, True)]
    stranger = grpc.ssl_channel_credentials(other.credentials.authority)
    async with grpc.aio.secure_channel(f"127.0.0.1:{own.port}", stranger) as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await channel.unary_unary(f"/{PING}/Ping")(b"", timeout=3)
    assert len(pings) == 1
    await other.close()
