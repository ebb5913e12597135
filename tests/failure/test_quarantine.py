"""One bad object costs no other one anything, is shown with its reason everywhere, and heals by itself."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import aiohttp

from tests.failure.test_global_kill import POLICY, GlobalProcess
from tests.unit.kds.lab import Zone
from ursa.model.resource import Resource
from ursa.store.contract import Create


def secret(name: str, data: str) -> Resource:
    return Resource("Secret", "default", name, {"data": data})


async def text(port: int, path: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as response:
        return await response.text()


async def ursactl(port: int, config: Path, *arguments: str) -> str:
    """What the command line tool prints about a control plane."""
    coordinates = {"apiServer": {"url": f"http://127.0.0.1:{port}"}}
    document = {
        "contexts": [{"controlPlane": "cp", "name": "cp"}],
        "currentContext": "cp",
        "controlPlanes": [{"name": "cp", "coordinates": coordinates}],
    }
    config.write_text(json.dumps(document))
    tool = str(Path(sys.executable).with_name("ursactl"))
    process = await asyncio.create_subprocess_exec(
        tool, "--config-file", str(config), *arguments, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return out.decode()


async def test_a_conflicting_object_is_held_back_alone(tmp_path: Path) -> None:
    centre = GlobalProcess(tmp_path)
    await centre.start()
    zone = Zone("zone-1", centre.kds, KUMA_MULTIZONE_ZONE_KDS_NACK_BACKOFF="1000s")
    await zone.store.open()
    await zone.store.write([Create(secret("taken", "bG9jYWw="))])
    await zone.open()
    try:
        await zone.until(lambda: zone.client.status.connected)
        for name, data in (("taken", "Z2xvYmFs"), ("free", "Z2xvYmFs")):
            body = {"type": "Secret", "mesh": "default", "name": name, "data": data}
            await centre.call("PUT", f"/meshes/default/secrets/{name}", body)
        await zone.until(lambda: zone.named("Secret", "free"))
        await centre.call("PUT", "/meshes/default/meshtimeouts/t", POLICY)
        await zone.until(lambda: zone.named("MeshTimeout", "t"))
        own = zone.named("Secret", "taken")
        assert own is not None and own.spec == {"data": "bG9jYWw="}

        # Shown by the API, as a metric and on the command line of the global.
        async with asyncio.timeout(60):
            while True:
                sync: dict = await centre.call("GET", "/zones/zone-1/_sync")
                if refused := sync["sent"]["Secret"].get("refused"):
                    break
                await asyncio.sleep(0.05)
        assert list(refused) == ["taken.default"] and "already exists" in refused["taken.default"]
        assert sync["status"] == "online"
        metrics = await text(centre.diagnostics, "/metrics")
        sample = 'ursa_kds_quarantined_resources{reason="refused_by_peer",type_url="Secret",zone="zone-1"} 1.0'
        assert sample in metrics
        shown = await ursactl(centre.api, tmp_path / "ctl.yaml", "inspect", "zone-sync", "zone-1")
        assert "refused by the peer: Secret taken.default: user error resource already exists" in shown

        # Healed at once when what stood in its way is gone, long before its back-off ends.
        await zone.delete("Secret", "default", "taken")
        healed = await zone.until(lambda: zone.named("Secret", "taken"))
        assert healed.spec == {"data": "Z2xvYmFs"}
        assert zone.client.status.restarts == {}
    finally:
        await zone.close()
        await centre.stop(15)


async def test_twenty_mebibytes_of_one_kind_pass_a_limit_of_ten(tmp_path: Path) -> None:
    centre = GlobalProcess(tmp_path)
    await centre.start()
    names = [f"big-{n}" for n in range(40)]
    for name in names:
        body = {"type": "Secret", "mesh": "default", "name": name, "data": "YWFh" * (1 << 17)}
        await centre.call("PUT", f"/meshes/default/secrets/{name}", body)
    zone = Zone("zone-1", centre.kds)
    await zone.open()
    try:
        await zone.until(lambda: all(zone.named("Secret", name) for name in names))
        assert zone.client.status.down["Secret"].responses > 10
        assert zone.client.status.restarts == {}
    finally:
        await zone.close()
        await centre.stop(15)
