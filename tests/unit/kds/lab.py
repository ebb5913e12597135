"""A global and zones in one loop, over real gRPC on localhost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from global_cp.zones import Zones
from kds.client import KdsClient, no_proxies
from kds.downward import Downward
from kds.publisher import Publisher
from kds.replicas.holdings import Holdings
from kds.server import KdsServer, Parts
from kds.tuning import global_tuning
from kds.tunnel import AdminTunnel
from ursa.catalog import default_registry
from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.clock import SystemClock
from ursa.runtime.config import load
from ursa.runtime.tasks import Supervisor
from ursa.store.contract import Create, Delete, Update
from ursa.store.memory import MemoryStore
from ursa.view.live import LiveView

REGISTRY = default_registry()


class Stopped(SystemClock):
    """Time that passes only when a test sets it."""

    def __init__(self) -> None:
        super().__init__()
        self.ns = 1

    def now_ns(self) -> int:
        return self.ns

    def monotonic(self) -> float:
        return self.ns / 1e9


class Side:
    """A store with a view, and what a test does to them."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.store = MemoryStore(self.clock)
        self.live = LiveView(self.store)
        self.supervisor = Supervisor(self.clock)

    async def open(self) -> None:
        await self.store.open()
        self.supervisor.start("live view", self.live.run)
        await self.live.ready.wait()

    async def put(self, *resources: Resource) -> None:
        for resource in resources:
            known = self.live.current.get(*resource.key)
            revision, _ = await self.store.write([Update(resource) if known else Create(resource)])
            await self.live.wait_for(revision)

    async def delete(self, kind: str, mesh: str, name: str) -> None:
        revision, _ = await self.store.write([Delete(ResourceKey(kind, mesh, name))])
        await self.live.wait_for(revision)

    def named(self, kind: str, display: str) -> Resource | None:
        """The resource that its author called so."""
        return next((r for r in self.live.current.list(kind) if r.display_name == display), None)

    async def until(self, condition: Callable[[], Any], seconds: float = 60) -> Any:
        """Waits for a condition on the view."""
        async with asyncio.timeout(seconds):
            while not (found := condition()):  # noqa: ASYNC110 - conditions are about anything, not only views
                await asyncio.sleep(0.01)
        return found

    async def close(self) -> None:
        await self.supervisor.close()
        await self.store.close()


class Global(Side):
    """A global that only syncs."""

    def __init__(self, *, prefixes: Sequence[str] = (), **environment: str) -> None:
        super().__init__()
        flush = {"KUMA_MULTIZONE_GLOBAL_KDS_ZONE_INSIGHT_FLUSH_INTERVAL": "50ms"}
        settings = load(None, {"KUMA_MODE": "global", **flush, **environment})
        self.publisher = Publisher(self.live, Downward(REGISTRY, prefixes))
        self.tunnel = AdminTunnel(self.clock)
        self.holdings = Holdings()
        self.zones = Zones(
            settings.settings,
            self.store,
            self.live,
            REGISTRY,
            self.clock,
            instance="global-1",
            holdings=self.holdings,
            authenticate=lambda _: None,
        )
        self.tuning = global_tuning(settings.settings)
        self.server: KdsServer | None = None
        self.port = 0

    async def open(self) -> None:
        await super().open()
        self.supervisor.start("publisher", self.publisher.run)
        self.supervisor.start("zones of other replicas", self.zones.follow_others)
        await self.listen()

    def parts(self) -> Parts:
        return Parts(self.store, self.live, REGISTRY, self.clock, self.publisher, self.zones, self.tunnel)

    async def listen(self) -> None:
        self.server = KdsServer(self.parts(), instance="global-1", tuning=self.tuning)
        self.port = await self.server.start(f"127.0.0.1:{self.port}", None)

    async def hang_up(self) -> None:
        assert self.server is not None
        await self.server.stop(0)

    async def close(self) -> None:
        await self.hang_up()
        await super().close()


class Zone(Side):
    """A zone that only syncs."""

    def __init__(self, name: str, port: int, instance: str = "", admin: Any = no_proxies, **environment: str) -> None:
        super().__init__()
        settings = load(
            None,
            {
                "KUMA_MULTIZONE_ZONE_NAME": name,
                "KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS": f"grpc://127.0.0.1:{port}",
                "KUMA_GENERAL_RESILIENT_COMPONENT_BASE_BACKOFF": "200ms",
                "KUMA_GENERAL_RESILIENT_COMPONENT_MAX_BACKOFF": "200ms",
                **environment,
            },
        ).settings
        self.client = KdsClient(
            settings, self.store, self.live, REGISTRY, self.clock, instance=instance or f"{name}-1", admin=admin
        )

    async def open(self) -> None:
        await super().open()
        self.supervisor.start("kds client", self.client.run)
