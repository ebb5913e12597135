"""A zone that is dead loses its traffic by itself and gets it back at once; one that only lost its global keeps it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kds.admin_calls import REACH, AdminQuery
from kds.client import no_proxies
from tests.failure.test_global_kill import GlobalProcess
from tests.unit.kds.lab import Zone
from ursa.model.resource import Resource
from zone_cp.witness import reach

INGRESS = {"networking": {"address": "127.0.0.1", "port": 1, "advertisedAddress": "127.0.0.1", "advertisedPort": 1}}
SHORT = {
    "KUMA_MULTIZONE_GLOBAL_ABSENCE_LEASE": "1s",
    "KUMA_MULTIZONE_GLOBAL_ABSENCE_HOLD": "2s",
    "KUMA_GENERAL_RESILIENT_COMPONENT_MAX_BACKOFF": "1s",
}


@asynccontextmanager
async def two_zones(
    folder: Path, port: int, admin: Any = no_proxies
) -> AsyncIterator[tuple[GlobalProcess, Zone, Zone]]:
    """A global, the east with an ingress at this port, and the west that sees it."""
    centre = GlobalProcess(folder, **SHORT)
    await centre.start()
    east, west = Zone("east", centre.kds), Zone("west", centre.kds, admin=admin)
    try:
        for zone in (east, west):
            await zone.open()
            await zone.until(lambda zone=zone: zone.client.status.connected)
        networking = {**INGRESS["networking"], "advertisedPort": port}
        await east.put(Resource("ZoneIngress", "", "gate", {"networking": networking}))
        await west.until(lambda: west.named("ZoneIngress", "gate"))
        yield centre, east, west
    finally:
        for zone in (east, west):
            await zone.close()
        await centre.stop(15)


async def offered(centre: GlobalProcess) -> tuple[str, str]:
    status: dict = await centre.call("GET", "/zones/east/_status")
    return status["status"], status["ingresses"]


def presence(zone: Zone) -> str | None:
    ingress = zone.named("ZoneIngress", "gate")
    return None if ingress is None else ingress.labels.get("ursa.io/presence", "")


async def test_a_dead_zone_comes_last_then_goes_and_returns_at_once(tmp_path: Path) -> None:
    async with two_zones(tmp_path, port=1) as (centre, east, west):
        assert (presence(west), await offered(centre)) == ("", ("online", "offered"))
        await east.supervisor.stop("kds client")
        await west.until(lambda: presence(west) == "lapsed")
        assert await offered(centre) == ("unknown", "last")
        await west.until(lambda: presence(west) is None)
        assert await offered(centre) == ("unknown", "withdrawn")
        listed: dict = await centre.call("GET", "/zoneingresses")
        assert len(listed["items"]) == 1
        east.supervisor.start("kds client", east.client.run)
        await west.until(lambda: presence(west) == "")
        assert await offered(centre) == ("online", "offered")


async def test_a_zone_whose_ingress_others_reach_keeps_its_traffic(tmp_path: Path) -> None:
    asked = asyncio.Event()
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    west_view: list[Zone] = []

    async def witness(query: AdminQuery) -> bytes:
        assert query.kind == REACH
        try:
            return await reach(west_view[0].live.current, query.name, timeout=2)
        finally:
            asked.set()

    port = server.sockets[0].getsockname()[1]
    async with two_zones(tmp_path, port, witness) as (centre, east, west):
        west_view.append(west)
        await east.supervisor.stop("kds client")
        for _ in range(4):
            # Again and again, for longer than lease and hold together.
            asked.clear()
            async with asyncio.timeout(60):
                await asked.wait()
        assert (presence(west), await offered(centre)) == ("", ("unknown", "offered"))
        server.close()
        await west.until(lambda: presence(west) is None)


@pytest.mark.parametrize("outage", [15, 9])
async def test_an_outage_of_the_global_is_nobodys_death(tmp_path: Path, outage: int) -> None:
    async with two_zones(tmp_path, port=1) as (centre, east, west):
        await centre.stop(outage)
        await asyncio.sleep(2)
        await centre.start()
        for zone in (east, west):
            await zone.until(lambda zone=zone: zone.client.status.connected)
        seen = set()
        for _ in range(20):
            seen.add(presence(west))
            await asyncio.sleep(0.1)
        assert seen == {""}


INBOUND = {"port": 80, "tags": {"kuma.io/service": "web", "kuma.io/zone": "east"}}
SUBSCRIPTION = {"id": "1", "controlPlaneInstanceId": "east-1", "connectTime": "2026-01-01T00:00:00Z"}


async def test_nobody_calls_proxies_of_a_zone_online_that_is_not_seen(tmp_path: Path) -> None:
    async with two_zones(tmp_path, port=1) as (centre, east, _):
        await east.put(
            Resource("Dataplane", "default", "web", {"networking": {"address": "10.0.0.1", "inbound": [INBOUND]}}),
            Resource("DataplaneInsight", "default", "web", {"subscriptions": [SUBSCRIPTION]}),
            Resource("ZoneIngressInsight", "", "gate", {"subscriptions": [SUBSCRIPTION]}),
        )

        async def told() -> dict[str, Any]:
            found: list[dict[str, Any]] = []
            for path in ("/dataplanes/_overview", "/zoneingresses/_overview"):
                found += (await centre.call("GET", path))["items"]  # type: ignore[arg-type]
            mesh: dict = await centre.call("GET", "/mesh-insights/default")
            service: dict = await centre.call("GET", "/meshes/default/service-insights/web")
            whole: dict = await centre.call("GET", "/global-insight")
            states: dict = await centre.call("GET", "/dataplanes/_status")
            return {
                "overviews": [(one.get("status"), bool(one.get("lastSeen"))) for one in found],
                "mesh": mesh["dataplanes"],
                "service": (service.get("status"), service["dataplanes"]),
                "apart": [(one["connection"], one["health"]) for one in states["items"]],
                "proxies": {k: n for k, n in whole["dataplanes"]["standard"].items() if n},
                "ingresses": whole["zones"]["zoneIngresses"],
            }

        online = {
            "overviews": [(None, False), (None, False)],
            "mesh": {"total": 1, "online": 1},
            "service": ("online", {"total": 1, "online": 1}),
            "apart": [("online", "healthy")],
            "proxies": {"total": 1, "online": 1},
            "ingresses": {"total": 1, "online": 1},
        }
        await _until(told, online)
        await east.supervisor.stop("kds client")
        await _until(
            told,
            {
                "overviews": [("unknown", True), ("unknown", True)],
                "mesh": {"total": 1, "unknown": 1},
                "service": ("offline", {"total": 1, "unknown": 1}),
                "apart": [("unknown", "healthy")],
                "proxies": {"total": 1, "unknown": 1},
                "ingresses": {"total": 1, "online": 0},
            },
        )
        east.supervisor.start("kds client", east.client.run)
        await _until(told, online)


async def _until(look: Callable[[], Awaitable[dict[str, Any]]], wanted: dict[str, Any]) -> None:
    found: dict[str, Any] = {}
    try:
        async with asyncio.timeout(60):
            while found != wanted:
                await asyncio.sleep(0.1)
                # What is looked at comes from a zone, so some of it may not be there yet.
                with suppress(aiohttp.ClientResponseError):
                    found = await look()
    except TimeoutError:
        assert found == wanted
