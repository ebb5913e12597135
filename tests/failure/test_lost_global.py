"""A global that lost its store does not take its zones' configuration with it."""

from __future__ import annotations

import asyncio
import shutil
import signal
from pathlib import Path

from tests.failure.test_global_kill import POLICY, GlobalProcess
from tests.unit.kds.lab import Zone

GRACE = "4s"


async def test_an_emptied_global_deletes_nothing_until_its_grace_is_over(tmp_path: Path) -> None:
    folder = tmp_path / "global"
    centre = GlobalProcess(folder)
    await centre.start()
    zone = Zone("zone-1", centre.kds, KUMA_MULTIZONE_ZONE_KDS_NEW_GLOBAL_GRACE=GRACE)
    await zone.open()
    try:
        await centre.call("PUT", "/meshes/default/meshtimeouts/t", POLICY)
        await zone.until(lambda: zone.named("MeshTimeout", "t"))
        before = zone.live.current.get("Config", "", "kuma-cluster-id")
        await centre.stop(signal.SIGKILL)
        shutil.rmtree(folder)
        await centre.start()

        # It is taken for what it is, and what it has is taken over.
        await centre.call("PUT", "/meshes/default/meshtimeouts/new", {**POLICY, "name": "new"})
        await zone.until(lambda: zone.named("MeshTimeout", "new"))
        after = zone.live.current.get("Config", "", "kuma-cluster-id")
        assert before is not None and after is not None and before.spec != after.spec
        await zone.until(lambda: zone.client.status.spared)
        await asyncio.sleep(0.5)
        assert zone.named("MeshTimeout", "t") is not None

        # Later its word counts.
        await zone.until(lambda: zone.named("MeshTimeout", "t") is None)
        assert zone.named("MeshTimeout", "new") is not None
        assert zone.client.status.spared == 0
    finally:
        await zone.close()
        await centre.stop(signal.SIGTERM)


async def test_a_global_that_kept_its_store_deletes_at_once(tmp_path: Path) -> None:
    centre = GlobalProcess(tmp_path)
    await centre.start()
    zone = Zone("zone-1", centre.kds)
    await zone.open()
    try:
        await centre.call("PUT", "/meshes/default/meshtimeouts/t", POLICY)
        await zone.until(lambda: zone.named("MeshTimeout", "t"))
        await centre.stop(signal.SIGTERM)
        await centre.start()
        await centre.call("DELETE", "/meshes/default/meshtimeouts/t")
        await zone.until(lambda: zone.named("MeshTimeout", "t") is None)
    finally:
        await zone.close()
        await centre.stop(signal.SIGTERM)
