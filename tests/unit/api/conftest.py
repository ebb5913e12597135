"""The API of a control plane in this process: memory store, live view, real sockets on a free port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from ursa.admission.manager import ResourceManager
from ursa.admission.startup import ensure_defaults
from ursa.api.application import build_application
from ursa.api.context import ApiContext, Endpoint
from ursa.catalog import default_registry
from ursa.model.resource import Resource
from ursa.planner.zone import ZonePlanner
from ursa.policies.effects import policy_plugins
from ursa.runtime.clock import SystemClock
from ursa.runtime.config import Settings, load
from ursa.runtime.tasks import Supervisor
from ursa.runtime.tls import TlsFiles
from ursa.store.contract import Create, create
from ursa.store.memory import MemoryStore
from ursa.view.live import LiveView
from zone_cp.facts import planner_settings
from zone_cp.preview import Preview
from zone_cp.reconciler.reconciler import Reconciler


@dataclass(frozen=True)
class ControlPlane:
    """What a test talks to."""

    client: TestClient[Any, Any]
    store: MemoryStore
    live: LiveView
    context: Callable[[TlsFiles], ApiContext]
    """The context that its API was built from, with this pair of TLS files."""

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """One request; answers status and parsed body (or text)."""
        extra: dict[str, Any] = {"json": body} if body is not None else {}
        async with self.client.request(method, path, headers=headers, **extra) as response:
            if response.content_type == "application/json":
                return response.status, await response.json()
            return response.status, await response.text()

    async def put(self, path: str, body: Any) -> tuple[int, Any]:
        """PUT of an object."""
        return await self.call("PUT", path, body)

    async def get(self, path: str) -> tuple[int, Any]:
        """GET."""
        return await self.call("GET", path)

    async def add(self, *resources: Resource) -> None:
        """Stores objects past admission, as sync and proxies do."""
        for resource in resources:
            await create(self.store, resource)
        await self.live.wait_for(await self.store.revision())


Start = Callable[..., Awaitable[ControlPlane]]

TLS = TlsFiles(Path("/work-dir/kuma-cp.crt"), Path("/work-dir/kuma-cp.key"))
"""What is shown as the pair of servers without one; nothing here listens with TLS."""

_made: dict[str, tuple[Resource, ...]] = {}
"""What control planes with given settings start with; keys take long to make, so each set is made once per run."""


async def start_objects(settings: Settings, clock: SystemClock) -> tuple[Resource, ...]:
    """Everything a control plane with these settings creates when it starts."""
    key = settings.model_dump_json()
    if key not in _made:
        store = MemoryStore(clock)
        await ensure_defaults(store, settings, clock)
        _made[key] = (await store.contents()).resources
    return _made[key]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts control planes with settings given as KUMA_ variables without the prefix."""
    clock = SystemClock()
    supervisor = Supervisor(clock)
    clients: list[TestClient[Any, Any]] = []

    async def run(
        *, extra: tuple[Endpoint, ...] = (), defaults: bool = True, file: str | None = None, **variables: str
    ) -> ControlPlane:
        settings: Settings = load(file, {f"KUMA_{k}": v for k, v in variables.items()}).settings
        store, registry = MemoryStore(clock), default_registry()
        if defaults:
            await store.write([Create(resource) for resource in await start_objects(settings, clock)])
        live = LiveView(store)
        supervisor.start(f"view-{len(clients)}", live.run)
        await live.ready.wait()
        manager = ResourceManager(store, live, registry, settings, clock)
        configure = None
        if not settings.is_global:
            zone_name = settings.multizone.zone.name
            planner = ZonePlanner(zone_name, registry, policy_plugins(), planner_settings(settings), check=True)
            reconciler = Reconciler(live, planner, clock)
            supervisor.start(f"reconciler-{len(clients)}", reconciler.run)
            configure = Preview(reconciler).configuration
        context = ApiContext(settings, registry, live, manager, clock, "test-1234", TLS, extra, configure)
        client = TestClient(TestServer(build_application(context)))
        clients.append(client)
        await client.start_server()
        return ControlPlane(client, store, live, lambda tls: replace(context, tls=tls, metrics=CollectorRegistry()))

    yield run
    for client in clients:
        await client.close()
    await supervisor.close()


@pytest.fixture
async def zone(start: Start) -> ControlPlane:
    """A zone of its own."""
    return await start()
