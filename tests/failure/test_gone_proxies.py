"""A proxy that is killed together with its control plane is not online for ever, and its resource goes in the end."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from tests.failure.replicas import Replica, until
from tests.failure.test_lost_replica import OPEN, document, end, start_proxy

SETTINGS = {
    **OPEN,
    "KUMA_MODE": "zone",
    "KUMA_STORE_TYPE": "sqlite",
    "KUMA_XDS_SERVER_ORPHANED_AFTER": "2s",
    "KUMA_RUNTIME_UNIVERSAL_DATAPLANE_CLEANUP_AGE": "3s",
}


async def test_a_proxy_killed_with_its_control_plane(tmp_path: Path) -> None:
    zone = Replica(tmp_path / "zone", SETTINGS)
    try:
        await zone.start()
        proxy = await start_proxy(zone.dp, tmp_path / "web", "web", document("web", "127.0.0.7"))
        try:
            await until(lambda: _is(zone, 200, [True]))
            await zone.stop(signal.SIGKILL)
        finally:
            await end(proxy)
        await zone.start()
        await until(lambda: _is(zone, 200, [False]))
        await until(lambda: _is(zone, 404, []))
    finally:
        await zone.close()


async def _is(zone: Replica, status: int, online: list[bool]) -> bool:
    """Whether the proxy's resource is there, and which of its connections are open."""
    found, overview = await zone.call("GET", "/meshes/default/dataplanes/web/_overview")
    return (found, _connections(overview) if found == 200 else []) == (status, online)


def _connections(overview: dict[str, Any]) -> list[bool]:
    subscriptions = overview.get("dataplaneInsight", {}).get("subscriptions", [])
    return ["disconnectTime" not in one for one in subscriptions]
