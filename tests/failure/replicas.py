"""Control planes as processes that share a store."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.servers.ports import free_port
from tests.servers.process import HERE, Host

Answer = tuple[int, Any]


class Replica:
    """One instance of a control plane."""

    def __init__(
        self,
        folder: Path,
        store: Mapping[str, str],
        settings: Mapping[str, str] | None = None,
        *,
        host: Host = HERE,
    ) -> None:
        """Args: store: the variables that select the store; host: where it runs."""
        self.host = host
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "log"
        self.api, self.kds, self.diagnostics, self.dp, self.replicas = (free_port() for _ in range(5))
        self._environment = {
            "KUMA_MODE": "global",
            "KUMA_GENERAL_WORK_DIR": str(folder),
            "KUMA_GENERAL_RESILIENT_COMPONENT_BASE_BACKOFF": "500ms",
            "KUMA_API_SERVER_HTTP_PORT": str(self.api),
            "KUMA_API_SERVER_HTTPS_ENABLED": "false",
            "KUMA_DIAGNOSTICS_SERVER_PORT": str(self.diagnostics),
            "KUMA_DP_SERVER_PORT": str(self.dp),
            "KUMA_MONITORING_ASSIGNMENT_SERVER_PORT": str(free_port()),
            "KUMA_INTER_CP_SERVER_PORT": str(self.replicas),
            "KUMA_INTER_CP_CATALOG_INSTANCE_ADDRESS": host.address,
            "KUMA_MULTIZONE_GLOBAL_KDS_GRPC_PORT": str(self.kds),
            "KUMA_MULTIZONE_GLOBAL_KDS_TLS_ENABLED": "false",
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            **store,
            **(settings or {}),
        }
        self._session: aiohttp.ClientSession | None = None
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, *, ready: bool = True) -> None:
        program = str(Path(sys.executable).with_name("ursa-cp"))
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.host.launcher, program, "run", env=self._environment, stderr=log
            )
        self._session = self._session or aiohttp.ClientSession()
        if ready:
            await self.until_ready()

    async def until_ready(self, patience: float = 60) -> None:
        async def ready() -> bool:
            assert self.process is not None and self.process.returncode is None, self.log.read_text()[-3000:]
            return await self.ready()

        await until(ready, patience)

    async def ready(self) -> bool:
        return await self.answers(200)

    async def answers(self, status: int) -> bool:
        """Whether it answers a load balancer, and with this status."""
        try:
            found, _ = await self._ask("GET", f"http://{self.host.address}:{self.diagnostics}/ready")
        except (aiohttp.ClientError, TimeoutError):
            return False
        return found == status

    async def metrics(self) -> str:
        _, text = await self._ask("GET", f"http://{self.host.address}:{self.diagnostics}/metrics")
        return str(text)

    async def figure(self, name: str) -> float:
        """The sum of a metric over all its labels."""
        families = text_string_to_metric_families(await self.metrics())
        return sum(sample.value for family in families for sample in family.samples if sample.name == name)

    async def call(self, method: str, path: str, body: object = None) -> Answer:
        """Status and body; raises aiohttp.ClientError when there is no answer."""
        return await self._ask(method, f"http://{self.host.address}:{self.api}{path}", body)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)
            await self.process.wait()

    async def close(self) -> None:
        await self.stop(signal.SIGKILL)
        if self._session is not None:
            await self._session.close()

    async def _ask(self, method: str, url: str, body: object = None) -> Answer:
        assert self._session is not None
        data = json.dumps(body) if body is not None else None
        headers = {"Content-Type": "application/json"}
        limit = aiohttp.ClientTimeout(total=30)
        async with self._session.request(method, url, data=data, headers=headers, timeout=limit) as response:
            text = await response.text()
            return response.status, json.loads(text) if "json" in response.content_type else text


async def until(condition: Callable[[], Awaitable[bool]], patience: float = 90) -> None:
    """Waits for something to become true."""
    async with asyncio.timeout(patience):
        while not await condition():  # noqa: ASYNC110 - the condition lies in another process
            await asyncio.sleep(0.05)


def policy(name: str, value: str = "5s") -> dict[str, object]:
    """A small policy."""
    return {
        "type": "MeshTimeout",
        "mesh": "default",
        "name": name,
        "spec": {
            "targetRef": {"kind": "Mesh"},
            "to": [{"targetRef": {"kind": "Mesh"}, "default": {"connectionTimeout": value}}],
        },
    }
