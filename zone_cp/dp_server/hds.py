"""Health discovery: each Envoy on Universal checks its own workload and reports; the Dataplane says what it found.

The checks follow the stored Dataplane: when it changes, the Envoy gets new ones. A report is written only when it
changes the state of an inbound, so steady reports cost no store writes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from envoy.service.health.v3 import hds_pb2
from google.protobuf.message import DecodeError
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ursa.errors import Conflict, NotFound, ProtocolError, Unavailable, UrsaError
from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.clock import Clock
from ursa.runtime.tasks import cancel_and_wait, spawn
from ursa.store.contract import Store, update
from ursa.view.keyed import KeyedChanges
from ursa.view.live import LiveView
from zone_cp.dp_server.calls import Call, CallEnded, Handler, Status, authorization, first_request
from zone_cp.dp_server.health import CheckDefaults, apply_report, read_report, specifier
from zone_cp.dp_server.node import NodeInfo, read_node
from zone_cp.proxy_metrics import ConversationMetrics

log = logging.getLogger(__name__)

SERVICE = "envoy.service.health.v3.HealthDiscoveryService"
TYPE_URL = "type.googleapis.com/envoy.service.health.v3.HealthCheckSpecifier"
PATIENCE = 30.0
"""Seconds that a Dataplane may take to be registered (`spec/dataplane.md` §4.6). No setting: Kuma's proxies are made
for this time, and try again after it."""


class Authenticate(Protocol):
    """Checks that a node may be who it says it is; raises Unauthenticated."""

    def check(self, node: NodeInfo, token: str, *resources: Resource) -> None: ...


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """What the service needs to know.

    Attributes:
        checks: what health checks look like.
        admin_port: of proxies that name none.
        patience: seconds until a stream must have said who it is.
        attempts: to write a report against concurrent writers of the same Dataplane.
    """

    checks: CheckDefaults
    admin_port: int
    patience: float
    attempts: int


class HealthDiscovery:
    """Serves `StreamHealthCheck`."""

    def __init__(
        self,
        store: Store,
        live: LiveView,
        changes: KeyedChanges,
        settings: HealthSettings,
        authenticate: Authenticate,
        *,
        clock: Clock,
        metrics: CollectorRegistry | None = None,
    ) -> None:
        """Args:
        store: where the state of inbounds is written.
        live: where Dataplanes are seen.
        changes: tells of them.
        settings: how checks are made.
        authenticate: says who may report.
        clock: for times.
        metrics: takes what is counted.
        """
        metrics = metrics or CollectorRegistry()
        self._metrics, self._clock, self._active = ConversationMetrics("hds", metrics, clock), clock, 0
        metrics.register(_Streams(lambda: self._active))
        self._store, self._live, self._changes = store, live, changes
        self._settings, self._authenticate = settings, authenticate
        self._closing = asyncio.Event()

    def close(self) -> None:
        """Ends all streams, which never end by themselves."""
        self._closing.set()

    def methods(self) -> Mapping[str, Handler]:
        """The one method."""
        return {f"/{SERVICE}/StreamHealthCheck": self._stream}

    async def _stream(self, call: Call) -> None:
        """Serves a stream and ends it with the status that fits."""
        try:
            await self._serve(call)
        except UrsaError as error:
            log.warning("health stream ended", extra={"peer": call.peer, "error": error})
            raise CallEnded(Status.UNKNOWN, str(error)) from None

    async def _serve(self, call: Call) -> None:
        first = await first_request(aiter(call), patience=self._settings.patience)
        if first is None:
            return
        node = read_node(_read(first).health_check_request.node)
        key = ResourceKey("Dataplane", node.mesh, node.name)
        self._authenticate.check(node, authorization(call), await self._registered(key))
        tasks = (
            spawn(self._receive(key, call), f"health reports of {node.id}"),
            spawn(self._follow(key, node, call), f"health checks of {node.id}"),
            spawn(self._closing.wait(), "shutdown"),
        )
        self._active += 1
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for finished in done:
                finished.result()
        finally:
            self._active -= 1
            await cancel_and_wait(*tasks)

    async def _receive(self, key: ResourceKey, call: Call) -> None:
        async for data in call:
            message = _read(data)
            if message.HasField("endpoint_health_response"):
                self._metrics.answered(TYPE_URL, accepted=True)
                await self._record(key, read_report(message.endpoint_health_response))

    async def _registered(self, key: ResourceKey) -> Resource:
        """The Dataplane; Envoy may open this stream before the one that registers it."""
        watch = self._changes.watch(key)
        try:
            async with asyncio.timeout(PATIENCE):
                while (resource := self._live.current.get(*key)) is None:
                    await watch.next()
                return resource
        except TimeoutError:
            raise NotFound(f"dataplane {key.mesh}/{key.name} is not registered") from None
        finally:
            watch.close()

    async def _follow(self, key: ResourceKey, node: NodeInfo, call: Call) -> None:
        """Sends the checks for the Dataplane whenever they change."""
        watch = self._changes.watch(key)
        sent: bytes | None = None
        try:
            while True:
                resource = self._live.current.get(*key)
                if resource is not None:
                    started = self._clock.monotonic()
                    data = self._specifier(resource, node).SerializeToString(deterministic=True)
                    changed = data != sent
                    self._metrics.generated(node.kind, self._clock.monotonic() - started, changed=changed)
                    if changed:
                        await call.write(data)
                        self._metrics.sent(TYPE_URL)
                        sent = data
                await watch.next()
        finally:
            watch.close()

    def _specifier(self, resource: Resource, node: NodeInfo) -> hds_pb2.HealthCheckSpecifier:
        return specifier(
            resource.spec,
            self._settings.checks,
            admin_port=node.admin_port or self._settings.admin_port,
            unified="feature-unified-resource-naming" in node.features,
            transparent="transparentProxying" in resource.spec.get("networking", {}),
        )

    async def _record(self, key: ResourceKey, report: dict[str, bool]) -> None:
        for _ in range(self._settings.attempts):
            resource = self._live.current.get(*key)
            if resource is None:
                return
            spec = apply_report(resource.spec, report)
            if spec is resource.spec:
                return
            try:
                stored = await update(self._store, resource.with_spec(spec), resource.version)
            except Conflict:
                # The view is behind: somebody else wrote it. What is there now has to be looked at.
                await self._live.wait_for(await self._store.revision())
                continue
            except (NotFound, Unavailable) as error:
                log.warning("health report not stored", extra={"proxy": key, "error": error})
                return
            await self._live.wait_for(stored.version)
            return


class _Streams(Collector):
    """How many streams there are."""

    def __init__(self, count: Callable[[], int]) -> None:
        self._count = count

    def collect(self) -> Iterator[Metric]:
        """See `prometheus_client`."""
        yield GaugeMetricFamily("hds_streams_active", "Streams of health checks", self._count())


def _read(data: bytes) -> hds_pb2.HealthCheckRequestOrEndpointHealthResponse:
    try:
        return hds_pb2.HealthCheckRequestOrEndpointHealthResponse.FromString(data)
    except DecodeError as error:
        raise ProtocolError(f"not a health check request or response: {error}") from None
