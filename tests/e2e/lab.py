"""A global, two zones and their proxies as real processes, for tests that look at a mesh from outside.

It is the demo's mesh with workloads inside the test process, where they can be stopped and asked, and with two clients:
in the west.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from deploy.demo import manifests
from deploy.demo.deployment import GLOBAL, Deployment
from deploy.demo.layout import BACKEND, EGRESS, INGRESS, WEB, ZONES, Layout, Zone, layout
from deploy.demo.ports import check_free
from deploy.demo.processes import Processes
from deploy.demo.waiting import fetch
from tests.servers.ports import claim
from ursa.api.answers import REVISION
from ursa.catalog import default_registry
from ursa.errors import ConfigError

STRANGER, SPARE = 12, 13
"""Hosts of the second client, and of proxies that tests start themselves."""

APPS = 100
"""What is added to a proxy's host for the address of its workload."""

PORTS = {"backend": 18080, "echo": 18081, "archive": 18082}
PROTOCOLS = {"backend": "http", "echo": "tcp", "archive": "http"}
OUTBOUNDS = {"backend": 10080, "echo": 10081, "archive": 10082}
OUTSIDE = {"far-away": 10083, "plain": 10084, "secure": 10085}
"""What tests may put outside of the mesh: an ExternalService, and MeshExternalServices with these names."""

OUTSIDE_PORTS = {"plain": 9000, "secure": 9443}
PROBE = {"interval": "0.3s", "timeout": "0.3s", "tcp": {}}
TIMEOUT = aiohttp.ClientTimeout(total=5)

CONTROL_PLANES = range(22_000, 32_000)
"""Where control planes of labs have their ports: above those that are dealt singly, below the system's own."""


@dataclass
class Answer:
    """What a client got: status and, when it came from a workload, its document."""

    status: int
    document: Mapping[str, Any] = field(default_factory=dict)

    @property
    def zone(self) -> str:
        """Where it was answered, empty if it was not."""
        return str(self.document.get("zone", ""))


class Workload:
    """A service's program in this process: says its zone and what it was sent."""

    def __init__(self, zone: Zone, service: str, host: int) -> None:
        self._zone, self._http = zone.name, PROTOCOLS[service] == "http"
        self._address, self._port = zone.address(host + APPS), PORTS[service]
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listens."""
        if not self._http:
            self._server = await asyncio.start_server(self._echo, self._address, self._port)
            return
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._address, self._port).start()

    async def stop(self) -> None:
        """Closes the port and every connection, as a crash would."""
        if self._runner is not None:
            await self._runner.cleanup()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        self._runner = self._server = None

    async def _answer(self, request: web.Request) -> web.Response:
        return web.json_response(
            {"zone": self._zone, "headers": {name.lower(): value for name, value in request.headers.items()}}
        )

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if data := await reader.read(1024):
            writer.write(self._zone.encode() + b":" + data)
        writer.close()


class Lab:
    """Everything that tests need of the mesh."""

    def __init__(self, places: Layout, folder: Path) -> None:
        self.layout = places
        self.east, self.west = places.zones
        self.processes = Processes(folder)
        self.deployment = Deployment(places, folder, self.processes, lambda _: None)
        self.workloads = {
            (service, zone.name): Workload(zone, service, BACKEND)
            for zone in places.zones
            for service in PORTS
            if zone is self.west or service != "archive"
        }

    async def start(self) -> None:
        """Returns when all proxies are ready."""
        await self.deployment.start_global()
        await self.deployment.add_context(GLOBAL, self.layout.centre.api_port)
        await self.deployment.apply(manifests.mesh())
        await asyncio.gather(*map(self.deployment.start_zone, self.layout.zones))
        for workload in self.workloads.values():
            await workload.start()
        token = await self.deployment.token("dataplanes", "dataplane-token")
        for zone in self.layout.zones:
            edge = await self.deployment.token(f"edge-{zone.name}", "zone-token", "--zone", zone.name)
            await self.deployment.start_proxy(zone, manifests.ingress(zone), "ingress", edge)
            await self.deployment.start_proxy(zone, manifests.egress(zone), "egress", edge)
            await self.deployment.start_proxy(zone, self.server(zone), "dataplane", token)
        for client, host in (("web", WEB), ("stranger", STRANGER)):
            await self.deployment.start_proxy(self.east, self.client(client, host), "dataplane", token)
        for name, (zone, host) in self.proxies.items():
            await self.deployment.until_ready(zone, name, host)
        await self.deployment.until("web", "the clients reach what they may", self._reachable)

    async def close(self) -> None:
        """Ends everything."""
        await self.processes.stop_all()
        for workload in self.workloads.values():
            await workload.stop()

    @property
    def proxies(self) -> dict[str, tuple[Zone, int]]:
        """Zone and host of every proxy by name."""
        hosts = {"backend": BACKEND, "ingress": INGRESS, "egress": EGRESS}
        found = {f"{role}-{zone.name}": (zone, host) for zone in self.layout.zones for role, host in hosts.items()}
        return found | {"web": (self.east, WEB), "stranger": (self.east, STRANGER)}

    def server(self, zone: Zone) -> manifests.Document:
        """The Dataplane of all services of a zone."""
        services = [service for service, name in self.workloads if name == zone.name]
        return dataplane(f"backend-{zone.name}", zone, BACKEND, inbound=[_inbound(zone, BACKEND, s) for s in services])

    def client(self, name: str, host: int) -> manifests.Document:
        """The Dataplane of a caller in the east, with an outbound to every service."""
        outbound: list[manifests.Document] = [
            {"address": self.east.address(host), "port": port, "tags": {"kuma.io/service": service}}
            for service, port in (OUTBOUNDS | OUTSIDE).items()
            if service not in OUTSIDE_PORTS
        ]
        for service, number in OUTSIDE_PORTS.items():
            labels = {"kuma.io/display-name": service}  # names of what comes from the global are others in zones
            reference = {"kind": "MeshExternalService", "labels": labels, "port": number}
            outbound.append({"address": self.east.address(host), "port": OUTSIDE[service], "backendRef": reference})
        inbound = [{"port": 18090, "tags": {"kuma.io/service": name, "kuma.io/protocol": "http"}}]
        return dataplane(name, self.east, host, inbound=inbound, outbound=outbound)

    async def get(self, service: str, host: int = WEB) -> Answer:
        """An HTTP request from a client, on a connection of its own."""
        url = f"http://{self.east.address(host)}:{(OUTBOUNDS | OUTSIDE)[service]}/"
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session, session.get(url) as answer:
            return Answer(answer.status, await answer.json() if answer.status == 200 else {})

    async def say(self, text: bytes, host: int = WEB, *, port: int = OUTBOUNDS["echo"]) -> bytes:
        """What `echo` answers a client, empty when the connection is closed instead."""
        reader, writer = await asyncio.open_connection(self.east.address(host), port)
        try:
            writer.write(text)
            async with asyncio.timeout(5):
                return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()

    async def put(self, document: manifests.Document) -> None:
        """Writes a resource at the global."""
        await self._call("PUT", document, document)

    async def delete(self, document: manifests.Document) -> None:
        """Deletes a resource at the global."""
        await self._call("DELETE", document, None)

    @asynccontextmanager
    async def there(self, *documents: manifests.Document) -> AsyncIterator[None]:
        """Resources at the global while the context is open."""
        for document in documents:
            await self.put(document)
        try:
            yield
        finally:
            for document in reversed(documents):
                await self.delete(document)

    async def zone_resource(self, zone: Zone, path: str) -> dict[str, Any] | None:
        """A resource as a zone has it, None when it does not."""
        body = await fetch(f"http://127.0.0.1:{zone.api_port}/{path}")
        return orjson.loads(body) if body else None

    async def stats(self, proxy: str, pattern: str) -> dict[str, int]:
        """Counters of a proxy's Envoy whose names match."""
        zone, host = self.proxies[proxy]
        body = await fetch(f"http://127.0.0.1:{zone.admin_port(host)}/stats?format=json&filter={pattern}")
        return {stat["name"]: stat["value"] for stat in orjson.loads(body or b"")["stats"]}

    async def _reachable(self) -> bool:
        """Whether endpoints of both zones and permissions have arrived everywhere."""
        answers = [await self.get("backend"), await self.get("archive"), await self.get("backend", STRANGER)]
        return (
            [(answer.status, answer.zone) for answer in answers] == [(200, "east"), (200, "west"), (403, "")]
            and await self.say(b"hello") == b"east:hello"
            and await self.deployment.knows(self.east, len(self.layout.zones))
        )

    async def _call(self, method: str, document: manifests.Document, body: manifests.Document | None) -> None:
        """Writes, and waits for all proxies: what a test leaves on its way to them would disturb the next one."""
        within = f"meshes/{document['mesh']}/" if "mesh" in document else ""
        url = f"http://127.0.0.1:{self.layout.centre.api_port}"
        path = f"{within}{PATHS[document['type']]}/{document['name']}"
        async with aiohttp.ClientSession(raise_for_status=True) as session:
            async with session.request(method, f"{url}/{path}", json=body) as answer:
                revision = answer.headers[REVISION]
            async with session.get(f"{url}/rollouts/{revision}", params={"wait": "complete", "timeout": "60s"}):
                pass


PATHS = {kind.name: kind.path for kind in default_registry()}


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Lab]:
    """A lab while the context is open; its logs stay in the folder."""
    lab = Lab(free_layout(), folder)
    try:
        await lab.start()
        yield lab
    finally:
        await lab.close()


def free_layout(zones: Sequence[str] = ZONES) -> Layout:
    """Ports and networks that nobody uses; another run may be going on beside this one."""
    size = 100 * (len(zones) + 1)
    starts = CONTROL_PLANES[:-size:size]
    for start in random.sample(starts, len(starts)):
        found = layout(start, zones)
        with suppress(ConfigError):
            check_free(found)
            if all(claim(f"lab/{first}") for first in range(start, start + size, 100)):
                return found
    raise ConfigError("no ports are free for a lab")


def _inbound(zone: Zone, host: int, service: str) -> dict[str, Any]:
    return {
        "port": PORTS[service],
        "serviceAddress": zone.address(host + APPS),
        "servicePort": PORTS[service],
        "serviceProbe": PROBE,
        "tags": {"kuma.io/service": service, "kuma.io/protocol": PROTOCOLS[service]},
    }


def dataplane(name: str, zone: Zone, host: int, **networking: Any) -> manifests.Document:
    where = {"address": zone.address(host), "admin": {"port": zone.admin_port(host)}}
    return {"type": "Dataplane", "mesh": "default", "name": name, "networking": {**where, **networking}}
