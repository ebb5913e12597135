"""Sends metrics to the collectors that MeshMetrics name, through the sockets behind which Envoy knows the way."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ursa.dataplane.metrics.config import Collector
from ursa.dataplane.metrics.gatherer import Gatherer, unique
from ursa.runtime.clock import Clock
from ursa.runtime.tasks import Supervisor

log = logging.getLogger(__name__)

EXPORT = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
TIMEOUT = 10.0
"""Seconds a collector may take."""

LARGEST = 64 << 20
"""Bytes of a message at most: a proxy with many clusters has many metrics."""


class Pushing:
    """One task per collector."""

    def __init__(
        self, gatherer: Gatherer, supervisor: Supervisor, clock: Clock, *, version: str, resource: Mapping[str, str]
    ) -> None:
        """Args: `resource` says to collectors what the metrics belong to."""
        self._gatherer, self._supervisor, self._clock = gatherer, supervisor, clock
        self._version, self._resource = version, resource
        self._started = clock.now_ns()
        self._running: dict[Collector, str] = {}

    async def follow(self, collectors: tuple[Collector, ...]) -> None:
        """Sends to these from now on, and to no others."""
        for gone in [one for one in self._running if one not in collectors]:
            await self._supervisor.stop(self._running.pop(gone))
        for one in collectors:
            if one not in self._running:
                self._running[one] = f"metrics for {one.name}"
                self._supervisor.start(self._running[one], lambda one=one: self._send(one))  # type: ignore[misc]

    async def _send(self, collector: Collector) -> None:
        # Few proxies have collectors, and these modules are larger than the rest of the launcher.
        import grpc

        options = [("grpc.max_send_message_length", LARGEST), ("grpc.default_authority", "localhost")]
        async with grpc.aio.insecure_channel(f"unix:{collector.socket}", options=options) as channel:
            export = channel.unary_unary(EXPORT)
            while True:
                await self._clock.sleep(collector.every)
                try:
                    await export(await self._message(), timeout=TIMEOUT)
                except grpc.aio.AioRpcError as error:
                    log.warning(
                        "collector did not take metrics",
                        extra={"collector": collector.name, "status": error.code().name, "error": error.details()},
                    )

    async def _message(self) -> bytes:
        from ursa.dataplane.metrics.otlp import request

        families = unique(await self._gatherer.families({}))
        now = self._clock.now_ns()
        found = request(families, self._resource, version=self._version, started=self._started, now=now)
        return bytes(found.SerializeToString())
