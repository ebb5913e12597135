"""A global that is killed without warning costs a zone nothing, and comes back to where it was."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import aiohttp

from tests.servers.ports import free_port
from tests.unit.kds.lab import Side, Zone

POLICY = {
    "type": "MeshTimeout",
    "mesh": "default",
    "name": "t",
    "spec": {
        "targetRef": {"kind": "Mesh"},
        "to": [{"targetRef": {"kind": "Mesh"}, "default": {"connectionTimeout": "7s"}}],
    },
}


class GlobalProcess:
    """A global control plane in a process of its own."""

    def __init__(self, folder: Path, *options: str, **environment: str) -> None:
        self.api, self.kds, self.diagnostics = free_port(), free_port(), free_port()
        self._options = options
        self.log = folder / "log"
        self.ready = "/meshes/default"
        self._environment = {
            "KUMA_MODE": "global",
            "KUMA_STORE_TYPE": "sqlite",
            "KUMA_GENERAL_WORK_DIR": str(folder),
            "KUMA_API_SERVER_HTTP_PORT": str(self.api),
            "KUMA_API_SERVER_HTTPS_ENABLED": "false",
            "KUMA_DIAGNOSTICS_SERVER_PORT": str(self.diagnostics),
            "KUMA_MULTIZONE_GLOBAL_KDS_GRPC_PORT": str(self.kds),
            "KUMA_MULTIZONE_GLOBAL_KDS_TLS_ENABLED": "false",
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            **environment,
        }

    async def start(self) -> None:
        command = (str(Path(sys.executable).with_name("ursa-cp")), "run", *self._options)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(*command, env=self._environment, stderr=log)
        async with asyncio.timeout(60):
            while True:
                assert self.process.returncode is None, self.log.read_text()[-3000:]
                try:
                    await self.call("GET", self.ready)
                except aiohttp.ClientError:
                    await asyncio.sleep(0.05)
                else:
                    return

    async def stop(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        await self.process.wait()

    async def call(self, method: str, path: str, body: object = None) -> dict[str, object]:
        url = f"http://127.0.0.1:{self.api}{path}"
        headers = {"Content-Type": "application/json"}
        data = json.dumps(body) if body is not None else None
        async with (
            aiohttp.ClientSession(raise_for_status=True) as session,
            session.request(method, url, data=data, headers=headers) as response,
        ):
            found: dict[str, object] = await response.json()
            return found

    async def until_subscriptions_are(self, ended: list[bool]) -> None:
        async with asyncio.timeout(60):
            while True:
                overview: dict = await self.call("GET", "/zones/zone-1/_overview")
                if [bool(one.get("disconnectTime")) for one in overview["zoneInsight"]["subscriptions"]] == ended:
                    return
                await asyncio.sleep(0.05)


async def until_disconnected(zone: Zone) -> None:
    await zone.until(lambda: not zone.client.status.connected)


async def test_a_killed_global_leaves_its_zone_as_it_was_and_finds_it_again(tmp_path: Path) -> None:
    centre = GlobalProcess(tmp_path)
    await centre.start()
    zone = Zone("zone-1", centre.kds)
    await zone.open()
    try:
        await centre.call("PUT", "/meshes/default/meshtimeouts/t", POLICY)
        await zone.until(lambda: zone.named("MeshTimeout", "t"))
        await asyncio.sleep(0.2)
        before = {r.key: r.version for r in synced(zone)}
        await centre.stop(signal.SIGKILL)
        await until_disconnected(zone)
        assert {r.key: r.version for r in synced(zone)} == before
        await centre.start()
        await zone.until(lambda: zone.client.status.connected)
        await centre.call("PUT", "/meshes/default/meshtimeouts/u", POLICY | {"name": "u"})
        news = await zone.until(lambda: zone.named("MeshTimeout", "u"))
        assert {r.key: r.version for r in synced(zone)} == before | {news.key: news.version}
        await centre.until_subscriptions_are([True, False])
        await centre.stop(signal.SIGTERM)
        assert centre.process.returncode == 0
        await centre.start()
        await centre.until_subscriptions_are([True, True, False])
    finally:
        await zone.close()
        if centre.process.returncode is None:
            await centre.stop(signal.SIGTERM)


def synced(side: Side) -> list:
    return [r for r in side.live.current.all() if r.kind != "ZoneInsight"]
