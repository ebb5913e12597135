"""A stream that is open but dead is found by what does not come through it, and replaced; what lives is left alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kds.transport import DOWN, HEALTH, UP
from tests.failure.relays import GrpcRelay, TcpRelay
from tests.failure.test_global_kill import POLICY, GlobalProcess
from tests.unit.kds.lab import Zone
from ursa.model.resource import Resource

FOUND = 10
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
                # Both ends have to know that the other one proves its life.
                await asyncio.sleep(2.5)
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
                await asyncio.sleep(2.5)
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
