"""Who speaks for a zone is decided by its token, not by what it says; whoever loses is told why."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp

from tests.failure.test_global_kill import GlobalProcess
from tests.unit.kds.lab import Zone
from ursa.model.resource import Resource

DATAPLANE = {"networking": {"address": "10.0.0.1", "inbound": [{"port": 80, "tags": {"kuma.io/service": "web"}}]}}


async def zone_token(centre: GlobalProcess, zone: str) -> str:
    """A token, as soon as there is a key for it."""
    url, body = f"http://127.0.0.1:{centre.api}/tokens/zone", {"zone": zone, "scope": ["cp"], "validFor": "1h"}
    async with aiohttp.ClientSession() as session, asyncio.timeout(60):
        while True:
            async with session.post(url, json=body) as response:
                if response.status == 200:
                    return await response.text()
            await asyncio.sleep(0.05)


async def some_dataplanes(centre: GlobalProcess) -> list[tuple[str, str]]:
    """Zone and name of all Dataplanes, as soon as there are any."""
    async with asyncio.timeout(60):
        while True:
            listed: dict = await centre.call("GET", "/meshes/default/dataplanes")
            if listed["items"]:
                labels = [dataplane["labels"] for dataplane in listed["items"]]
                return [(one["kuma.io/zone"], one["kuma.io/display-name"]) for one in labels]
            await asyncio.sleep(0.05)


async def test_a_zone_cannot_take_the_name_of_another_one(tmp_path: Path) -> None:
    centre = GlobalProcess(tmp_path, KUMA_MULTIZONE_GLOBAL_KDS_ZONE_TOKEN_REQUIRED="true")
    await centre.start()
    east = await zone_token(centre, "east")
    honest = Zone("east", centre.kds, KUMA_MULTIZONE_ZONE_KDS_TOKEN=east)
    thief = Zone("west", centre.kds, KUMA_MULTIZONE_ZONE_KDS_TOKEN=east)
    nobody = Zone("west", centre.kds)
    try:
        for zone in (honest, thief, nobody):
            await zone.open()
        await honest.put(Resource("Dataplane", "default", "web", DATAPLANE))
        await thief.put(Resource("Dataplane", "default", "stolen", DATAPLANE))
        await honest.until(lambda: honest.client.status.connected)
        await thief.until(lambda: "the token is for zone 'east', not for 'west'" in thief.client.status.last_error)
        await nobody.until(lambda: "a zone token is required" in nobody.client.status.last_error)
        assert await some_dataplanes(centre) == [("east", "web")]
        assert not thief.live.current.list("Secret")
        zones: dict = await centre.call("GET", "/zones")
        assert [zone["name"] for zone in zones["items"]] == ["east"]
    finally:
        for zone in (honest, thief, nobody):
            await zone.close()
        await centre.stop(15)


async def test_of_two_control_planes_of_one_zone_the_second_waits_and_knows_why(tmp_path: Path) -> None:
    centre = GlobalProcess(tmp_path)
    await centre.start()
    first, second = Zone("east", centre.kds, "a"), Zone("east", centre.kds, "b")
    try:
        await first.open()
        await first.put(Resource("Dataplane", "default", "web", DATAPLANE))
        assert await some_dataplanes(centre) == [("east", "web")]
        await second.open()
        await second.until(lambda: "already connected from instance a" in second.client.status.last_error)
        assert await some_dataplanes(centre) == [("east", "web")]
        await first.supervisor.stop("kds client")
        await second.until(lambda: second.client.status.connected)
    finally:
        await first.close()
        await second.close()
        await centre.stop(15)
