"""Everything the launcher does for metrics, as one part that it starts and stops."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ursa.dataplane import sockets
from ursa.dataplane.dynamic import DynamicConfiguration
from ursa.dataplane.metrics.config import PATH, MetricsConfig, application, parse
from ursa.dataplane.metrics.gatherer import Gatherer
from ursa.dataplane.metrics.hijacker import MetricsHijacker
from ursa.dataplane.metrics.own import OwnMetrics
from ursa.dataplane.metrics.pushing import Pushing
from ursa.dataplane.metrics.sources import Sources
from ursa.runtime.clock import Clock
from ursa.runtime.tasks import Supervisor
from ursa.version import VERSION


class Metrics:
    """Shows and sends the metrics of one proxy."""

    def __init__(
        self,
        work_dir: Path,
        identity: tuple[str, str],
        sidecar: Mapping[str, Any],
        *,
        admin: str,
        transparent: bool,
        service: str,
        every: float,
        supervisor: Supervisor,
        clock: Clock,
    ) -> None:
        """Args:
        work_dir: where sockets are.
        identity: name and mesh of the proxy.
        sidecar: what the answer to the bootstrap request tells the launcher.
        admin: URL of Envoy's admin interface.
        transparent: whether the proxy's connections are redirected.
        service: as what the launcher names itself to collectors.
        every: seconds between two looks at the dynamic configuration.
        supervisor: runs what goes on.
        clock: tells the time.
        """
        self._supervisor = supervisor
        networking, metrics = sidecar.get("networking") or {}, sidecar.get("metrics") or {}
        own = OwnMetrics(service=service, version=VERSION)
        sources = Sources(admin, networking.get("address") or "", transparent=transparent)
        self._gatherer = Gatherer(sources, own, aggregated=[application(one) for one in metrics.get("aggregate") or ()])
        self._hijacker = MetricsHijacker(sockets.metrics(str(work_dir), *identity), self._gatherer)
        resource = {"service.name": service}
        self._pushing = Pushing(self._gatherer, supervisor, clock, version=VERSION, resource=resource)
        self._changed = asyncio.Event()
        self._dynamic = DynamicConfiguration(
            sockets.dynamic_configuration(str(work_dir)), {PATH: self._take}, every=every, clock=clock, metrics=own
        )

    async def open(self) -> None:
        """Starts everything."""
        await self._hijacker.open()
        self._supervisor.start("dynamic configuration", self._dynamic.run)
        self._supervisor.start("metrics to collectors", self._follow)

    async def close(self) -> None:
        """Stops answering; the supervisor ends the rest."""
        await self._hijacker.close()

    def _take(self, body: bytes) -> None:
        self._gatherer.config = parse(body) if body else MetricsConfig()
        self._changed.set()

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._pushing.follow(self._gatherer.config.collectors)
