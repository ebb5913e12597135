"""How the connection to the global is doing, seen from the zone."""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kds.client import KdsClient
from kds.metrics import quarantined_family
from kds.sync_views import client_view
from ursa.api.answers import answer
from ursa.api.context import Endpoint
from ursa.errors import NotFound
from ursa.view.live import LiveView


class SyncStatus(Collector):
    """`GET /zones/{name}/_sync` for the zone itself, and the same as metrics."""

    def __init__(self, client: KdsClient, live: LiveView, zone: str) -> None:
        self._client, self._live, self._zone = client, live, zone

    def endpoint(self) -> Endpoint:
        """The call."""
        return Endpoint("GET", "/zones/{name}/_sync", self._handle, "Could not retrieve a resource")

    def collect(self) -> Iterator[Metric]:
        """See `prometheus_client`."""
        status = self._client.status
        yield GaugeMetricFamily("ursa_kds_connected", "whether the global answers", float(status.connected))
        restarts = GaugeMetricFamily(
            "ursa_kds_stream_restarts", "streams opened again while their connection went on", labels=["method"]
        )
        for method, count in status.restarts.items():
            restarts.add_metric([method], count)
        yield restarts
        yield quarantined_family({self._zone: (status.up, status.down)})

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name != self._zone:
            raise NotFound(f'Zone "{name}" not found')
        return answer({"zone": name, **client_view(self._client.status, self._live.current.revision)})
