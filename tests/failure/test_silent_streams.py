"""A stream that is open but dead is found by what does not come through it, and replaced; what lives is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest

from kds import features
from kds.transport import DOWN, HEALTH, SYNC_SERVICE, UP, Keepalive, call_metadata, client_options, node_metadata
from kds.wire import Request, decode_response, encode_request
from tests.failure.relays import GrpcRelay, TcpRelay
from tests.failure.test_global_kill import POLICY, GlobalProcess
from tests.unit.kds.lab import Zone
from ursa.model.resource import Resource
from ursa.runtime.tasks import cancel_and_wait, spawn

FOUND = 30
"""Seconds within which a dead stream must be found and data flow again."""

DATAPLANE = {"networking": {"address": "10.0.0.1", "inbound": [{"port": 80, "tags": {"kuma.io/service": "web"}}]}}


def policy(name: str) -> tuple[str, dict[str, object]]:
    return f"/meshes/default/meshtimeouts/{name}", {**POLICY, "name": name}


async def flows(centre: GlobalProcess, zone: Zone, name: str) -> None:
    """Something written on each side arrives on the other."""
    await centre.call("PUT", *policy(name))
    await zone.put(Resource("Dataplane", "default", name, DATAPLANE))
    await zone.until(lambda: zone.named("MeshTimeout", name), FOUND)
    async with asyncio.timeout(FOUND):
        while True:
            listed: dict = await centre.call("GET", "/meshes/default/dataplanes")
            if any(d["labels"]["kuma.io/display-name"] == name for d in listed["items"]):
                return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("direction", ["up", "down"])
async def test_a_connection_that_swallows_one_direction_is_replaced(tmp_path: Path, direction: str) -> None:
    centre = GlobalProcess(tmp_path)
    await centre.start()
    try:
        async with TcpRelay(centre.kds) as relay:
            zone = Zone("zone-1", relay.port)
            await zone.open()
            try:
                await flows(centre, zone, "before")
                made = relay.connections
                relay.swallow(direction)
                await flows(centre, zone, "after")
                assert relay.connections == made + 1
            finally:
                await zone.close()
    finally:
        await centre.stop(15)


@pytest.mark.parametrize("method", [DOWN, UP])
async def test_only_the_stream_that_is_dead_is_opened_again(tmp_path: Path, method: str) -> None:
    centre = GlobalProcess(tmp_path)
    await centre.start()
    try:
        async with GrpcRelay(centre.kds).running() as relay:
            zone = Zone("zone-1", relay.port)
            await zone.open()
            try:
                await flows(centre, zone, "before")
                opened = list(relay.opened)
                relay.freeze(method)
                await flows(centre, zone, "after")
                assert [name for name in relay.opened[len(opened) :] if name != HEALTH] == [method]
                assert zone.client.status.restarts == {method: 1}
                assert zone.client.status.connected
            finally:
                await zone.close()
    finally:
        await centre.stop(15)


async def test_a_zone_of_kuma_that_is_gone_is_not_shown_as_online(tmp_path: Path) -> None:
    """It sends no proofs of life; what answers for it is its end of the connection."""
    centre = GlobalProcess(tmp_path)
    await centre.start()
    try:
        async with TcpRelay(centre.kds) as relay, kuma_zone(relay.port) as call:
            await becomes(centre, "online")
            # Longer than Ursa's zones may be silent: nobody who says nothing because there is nothing is cut off.
            await asyncio.sleep(6)
            await becomes(centre, "online", 0.5)
            for direction in ("up", "down"):
                relay.swallow(direction)
            status = await becomes(centre, "unknown")
            assert status["since"] and status["reasons"] == ["not connected"]
            call.cancel()
    finally:
        await centre.stop(15)


@asynccontextmanager
async def kuma_zone(port: int) -> AsyncIterator[grpc.aio.StreamStreamCall]:
    """The stream downwards of a zone that knows nothing of ours, and answers what comes."""
    options = client_options(10 << 20, Keepalive())
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        metadata = [pair for pair in call_metadata("east") if not pair[1].startswith("ursa")]
        call = channel.stream_stream(f"/{SYNC_SERVICE}/{DOWN}")(metadata=tuple(metadata))
        about = {**node_metadata("", "kuma-1"), "features": [features.HASH_SUFFIX]}
        await call.write(encode_request(Request("Mesh", "east", wildcard=True, metadata=about)))

        async def answer() -> None:
            with suppress(grpc.aio.AioRpcError):
                while isinstance(data := await call.read(), bytes):
                    response = decode_response(data)
                    await call.write(encode_request(Request(response.kind, "east", nonce=response.nonce)))

        answering = spawn(answer(), "kuma's zone")
        try:
            yield call
        finally:
            call.cancel()
            await cancel_and_wait(answering)


async def becomes(centre: GlobalProcess, wanted: str, patience: float = FOUND) -> dict[str, Any]:
    """What is said of the only zone as soon as its status is the wanted one, which must be soon."""
    async with asyncio.timeout(patience):
        while True:
            listed: dict[str, Any] = await centre.call("GET", "/zones/_status")
            for found in listed["items"]:
                if found["status"] == wanted:
                    return dict(found)
            await asyncio.sleep(0.05)
