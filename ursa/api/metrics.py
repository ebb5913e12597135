"""Counts and times of requests, under the names that Kuma's dashboards read."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry, Gauge, Histogram

from ursa.runtime.clock import Clock
from ursa.runtime.telemetry import SECONDS, SIZES

SERVICE = "api"


class RequestMetrics:
    """`<server>_server_http_*`, of the API itself `api_server_http_*`."""

    def __init__(self, registry: CollectorRegistry, clock: Clock, server: str = SERVICE) -> None:
        self._clock, self._server = clock, server
        labels = ("code", "handler", "method", "service")
        self._seconds = Histogram(
            f"{server}_server_http_request_duration_seconds",
            "Latency of requests",
            labels,
            buckets=SECONDS,
            registry=registry,
        )
        self._bytes = Histogram(
            f"{server}_server_http_response_size_bytes", "Size of answers", labels, buckets=SIZES, registry=registry
        )
        self._inflight = Gauge(
            f"{server}_server_http_requests_inflight",
            "Requests being answered",
            ("handler", "service"),
            registry=registry,
        )

    def middleware(self) -> Middleware:
        """Observes every request, failed ones too."""

        @web.middleware
        async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
            route = _template(request)
            started = self._clock.monotonic()
            inflight = self._inflight.labels(route, self._server)
            inflight.inc()
            try:
                response = await handler(request)
            finally:
                inflight.dec()
            labels = (str(response.status), route, request.method, self._server)
            self._seconds.labels(*labels).observe(self._clock.monotonic() - started)
            self._bytes.labels(*labels).observe(response.content_length or 0)
            return response

        return observe


def _template(request: web.Request) -> str:
    """The route with the kind's own path in it, as dashboards know it: `/meshes/{mesh}/dataplanes`."""
    resource = request.match_info.route.resource
    if resource is None:
        return "unknown"
    return resource.canonical.replace("{path}", request.match_info.get("path", ""))
