"""Brings everything up as a user would: control planes, manifests and tokens by `ursactl`, proxies by `ursa-dp`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import orjson
import yaml

from deploy.demo import manifests
from deploy.demo.layout import (
    BACKEND_APP,
    BACKEND_PORT,
    WEB,
    WEB_APP,
    Layout,
    Zone,
    global_settings,
    zone_settings,
)
from deploy.demo.processes import Processes, tool
from deploy.demo.waiting import fetch, until
from ursa.errors import Unavailable

GLOBAL = "global"
START = 120.0
"""Seconds that anything may take to start on a slow machine."""

Say = Callable[[str], None]


class Deployment:
    """A global, its zones, and in each of them two services and the proxies at its edge."""

    def __init__(self, layout: Layout, folder: Path, processes: Processes, say: Say) -> None:
        """Args: folder: where state, tokens and manifests are; say: told each step."""
        self.layout, self.processes = layout, processes
        self._folder, self._say = folder, say

    @property
    def ursactl(self) -> tuple[str, str, str]:
        """How to call `ursactl` so that it knows the demo's control planes."""
        return tool("ursactl"), "--config-file", str(self._folder / "ursactl.yaml")

    async def start(self) -> None:
        """Returns when everything is ready; raises Unavailable when it will not be."""
        self._say("starting the global control plane")
        await self.start_global()
        await self.add_context(GLOBAL, self.layout.centre.api_port)
        self._say("applying mesh and policies")
        await self.apply(manifests.mesh())
        self._say(f"starting zones {' and '.join(zone.name for zone in self.layout.zones)}")
        await asyncio.gather(*map(self.start_zone, self.layout.zones))
        self._say("starting services and their proxies")
        for zone in self.layout.zones:
            await self._start_proxies(zone)
        for zone in self.layout.zones:
            for name, host in zone.proxies.items():
                await self.until_ready(zone, name, host)
        for zone in self.layout.zones:
            knows = partial(self.knows, zone, len(self.layout.zones))
            await self.until(zone.name, f"web-{zone.name} knows the backends of all zones", knows)

    async def start_global(self) -> None:
        """Starts the global control plane, for the first time or again."""
        centre, work_dir = self.layout.centre, self._work_dir(GLOBAL)
        env = global_settings(centre, str(work_dir))
        await self.processes.start(GLOBAL, tool("ursa-cp"), "run", env=env)
        url = f"http://127.0.0.1:{centre.api_port}/meshes/default"
        await self.until(GLOBAL, "the global answers", lambda: fetch(url))

    async def kill_global(self) -> None:
        """Ends the global as a crash would."""
        await self.processes.kill(GLOBAL)

    async def start_workload(self, service: str, zone: Zone) -> None:
        """Starts the program behind the proxy of a service."""
        address = zone.address({"web": WEB_APP, "backend": BACKEND_APP}[service])
        await self.processes.start(
            _workload(service, zone),
            sys.executable,
            "-m",
            "deploy.demo.workload",
            address,
            str(BACKEND_PORT),
            zone.name,
        )

    async def kill_workload(self, service: str, zone: Zone) -> None:
        """Ends that program as a crash would."""
        await self.processes.kill(_workload(service, zone))

    async def start_zone(self, zone: Zone) -> None:
        """Starts the control plane of a zone, for the first time or again."""
        authority = self._folder / GLOBAL / "kuma-cp.crt"
        env = zone_settings(zone, str(self._work_dir(zone.name)), self.layout.centre.kds_port, str(authority))
        await self.processes.start(zone.name, tool("ursa-cp"), "run", env=env)
        path = "meshes/default/meshretries"
        url = f"http://127.0.0.1:{zone.api_port}/{path}"
        await self.until(zone.name, f"zone {zone.name} has got its policies", lambda: _total(url))

    async def _start_proxies(self, zone: Zone) -> None:
        for service in ("web", "backend"):
            await self.start_workload(service, zone)
            token = await self.token(f"{service}-{zone.name}", "dataplane-token", "--tag", f"kuma.io/service={service}")
            document = {"web": manifests.web, "backend": manifests.backend}[service](zone)
            await self.start_proxy(zone, document, "dataplane", token)
        token = await self.token(f"zone-{zone.name}", "zone-token", "--zone", zone.name)
        await self.start_proxy(zone, manifests.ingress(zone), "ingress", token)
        await self.start_proxy(zone, manifests.egress(zone), "egress", token)

    async def start_proxy(
        self, zone: Zone, document: manifests.Document, kind: str, token: Path, *options: str
    ) -> None:
        """Starts a proxy that brings its resource along; `options` are further ones of `ursa-dp run`."""
        name = document["name"]
        await self.processes.start(
            name,
            *(tool("ursa-dp"), "run", "--proxy-type", kind),
            *("--cp-address", f"https://127.0.0.1:{zone.dp_port}"),
            *("--ca-cert-file", str(self._folder / zone.name / "kuma-cp.crt")),
            *("--dataplane-file", str(self._manifest(name, [document]))),
            *("--dataplane-token-file", str(token)),
            *("--work-dir", str(self._work_dir(name))),
            *("--concurrency", "1", "--drain-time", "1s", "--envoy-log-level", "warning", *options),
        )

    async def until_ready(self, zone: Zone, name: str, host: int) -> None:
        """Waits until the Envoy of a proxy has its first configuration."""
        url = f"http://127.0.0.1:{zone.admin_port(host)}/ready"
        await self.until(name, f"the Envoy of {name} is ready", lambda: fetch(url))

    async def until(self, process: str, what: str, look: Callable[[], Awaitable[object]]) -> None:
        """Waits for something that depends on a process, whose log explains it when it does not come.

        Raises:
            Unavailable: it did not come.
        """
        try:
            await until(what, look, START)
        except Unavailable as error:
            raise Unavailable(f"{error}\n{self.processes.tail(process)}") from None

    async def knows(self, zone: Zone, backends: int) -> bool:
        """Whether the Envoy of `web` has that many healthy endpoints of `backend`."""
        body = await fetch(f"http://127.0.0.1:{zone.admin_port(WEB)}/clusters?format=json")
        clusters = orjson.loads(body)["cluster_statuses"] if body else []
        hosts = [
            host for cluster in clusters if cluster["name"] == "backend" for host in cluster.get("host_statuses", ())
        ]
        return len(hosts) == backends

    async def add_context(self, name: str, api_port: int) -> None:
        """Makes `ursactl` know a control plane."""
        address = f"http://127.0.0.1:{api_port}"
        command = ("config", "control-planes", "add", "--name", name, "--address", address)
        await self.processes.run("ursactl", *self.ursactl, *command)

    async def apply(self, documents: list[manifests.Document]) -> None:
        """Applies documents at the control plane that was made known last."""
        await self.processes.run("ursactl", *self.ursactl, "apply", "-f", str(self._manifest("mesh", documents)))

    async def token(self, name: str, *command: str) -> Path:
        """Makes a token with `ursactl generate` and returns the file that holds it."""
        token = await self.processes.run("ursactl", *self.ursactl, "generate", *command, "--valid-for", "24h")
        path = self._folder / f"{name}.token"
        path.touch(0o600)
        path.write_text(token)
        return path

    def _manifest(self, name: str, documents: list[manifests.Document]) -> Path:
        path = self._folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump_all(documents, sort_keys=False))
        return path

    def _work_dir(self, name: str) -> Path:
        path = self._folder / name
        path.mkdir(exist_ok=True)
        return path


def _workload(service: str, zone: Zone) -> str:
    return f"workload-{service}-{zone.name}"


async def _total(url: str) -> int:
    body = await fetch(url)
    return int(orjson.loads(body)["total"]) if body else 0
