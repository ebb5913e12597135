"""Settings of syncing that only a whole control plane keeps to, given to real ones."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kds.admin_calls import AdminQuery
from tests.failure.replicas import Replica, policy, until
from tests.unit.kds.lab import Global, Zone
from tests.unit.kds.test_stream import running, timeout
from ursa.model.resource import Resource

DATAPLANE = {"networking": {"address": "10.0.0.1", "inbound": [{"port": 80, "tags": {"kuma.io/service": "web"}}]}}
OF_GLOBAL = {
    "KUMA_MULTIZONE_GLOBAL_KDS_ADMIN_TIMEOUT": "300ms",
    "KUMA_MULTIZONE_GLOBAL_ROLLOUTS_KEPT": "3",
    "KUMA_MULTIZONE_GLOBAL_ROLLOUTS_MAX_WAIT": "300ms",
    "KUMA_MULTIZONE_GLOBAL_ROLLOUTS_STUCK_AFTER": "200ms",
    "KUMA_MULTIZONE_GLOBAL_ZONE_STALLED_AFTER": "200ms",
}
SOON = 8.0
"""Seconds: long for what takes a fraction of one, and less than it takes where a setting is not kept to."""


async def never(_: AdminQuery) -> bytes:
    await asyncio.Event().wait()
    return b""


async def test_a_global_waits_and_remembers_as_it_is_told(tmp_path: Path) -> None:
    centre = Replica(tmp_path, {"KUMA_STORE_TYPE": "memory"}, OF_GLOBAL)
    await centre.start()
    zone = Zone("east", centre.kds, admin=never)
    try:
        await zone.open()
        await zone.put(Resource("Dataplane", "default", "web", DATAPLANE))
        found: list[str] = []

        async def listed() -> bool:
            _, page = await centre.call("GET", "/meshes/default/dataplanes")
            found[:] = [item["name"] for item in page.get("items", ())]
            return bool(found)

        await until(listed)

        async def gave_up() -> bool:
            _, problem = await centre.call("GET", f"/meshes/default/dataplanes/{found[0]}/stats")
            return "did not answer within 0.3 s" in str(problem)

        await until(gave_up)
        for number in range(6):
            await centre.call("PUT", f"/meshes/default/meshtimeouts/t{number}", policy(f"t{number}"))
            await zone.until(lambda number=number: zone.named("MeshTimeout", f"t{number}"))
        _, rollouts = await centre.call("GET", "/rollouts")
        assert rollouts["total"] == 3
        # From now on the zone answers nothing.
        zone.store.write = never  # type: ignore[method-assign,assignment]
        await centre.call("PUT", "/meshes/default/meshtimeouts/last", policy("last"))
        _, rollouts = await centre.call("GET", "/rollouts")
        newest = max(item["revision"] for item in rollouts["items"])
        async with asyncio.timeout(SOON):
            _, proof = await centre.call("GET", f"/rollouts/{newest}?wait=stored&timeout=1h")
        assert [one["state"] for one in proof["zones"]] != ["stored"]

        async def is_stuck() -> bool:
            _, proof = await centre.call("GET", f"/rollouts/{newest}")
            _, status = await centre.call("GET", "/zones/east/_status")
            return "stuck" in str(proof) and status["status"] == "degraded"

        await until(is_stuck, SOON)
    finally:
        zone.store.__dict__.pop("write", None)
        await zone.close()
        await centre.close()


async def test_a_zone_reports_as_it_is_told(tmp_path: Path) -> None:
    limits = {
        "kept": {"KUMA_MULTIZONE_ZONE_KDS_REPORTS_KEPT": "2"},
        "rare": {"KUMA_MULTIZONE_ZONE_KDS_REPORT_INTERVAL": "1h"},
    }
    centre = Global()
    async with running(centre):
        await centre.put(Resource("Config", "", "kuma-cluster-id", {"config": "id"}), Resource("Mesh", "", "default"))
        zones = {
            name: Replica(
                tmp_path / name,
                {"KUMA_STORE_TYPE": "memory"},
                {
                    "KUMA_MODE": "zone",
                    "KUMA_MULTIZONE_ZONE_NAME": name,
                    "KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS": f"grpc://127.0.0.1:{centre.port}",
                    **settings,
                },
            )
            for name, settings in limits.items()
        }
        try:
            await asyncio.gather(*(zone.start() for zone in zones.values()))
            await centre.until(lambda: reported(centre, "kept") and reported(centre, "rare"), 60)
            revisions = []
            for number in range(4):
                await centre.put(timeout(f"t{number}"))
                revisions.append(await centre.store.revision())
                # One revision after the other, or several would be one to the zones.
                await centre.until(lambda: revisions[-1] <= delivered(centre, *limits))
                await centre.until(lambda: revisions[-1] in reported(centre, "kept"))
            assert len(reported(centre, "kept")) <= 2
            assert not set(revisions) & reported(centre, "rare"), "not yet"
        finally:
            await asyncio.gather(*(zone.close() for zone in zones.values()))


def reported(centre: Global, zone: str) -> set[int]:
    """Revisions about which a zone has told."""
    memory = centre.zones.memories.get(zone)
    return set(memory.reports or ()) if memory is not None else set()


def delivered(centre: Global, *zones: str) -> int:
    """What all of these zones have stored."""
    return min(centre.zones.connections[name].sender.delivered_everything() for name in zones)
