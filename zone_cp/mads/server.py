"""The service at which Prometheus asks for targets (`kuma_sd_configs`): it asks again and again, and waits for news."""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import suppress
from pathlib import Path

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry

from ursa.api.answers import answer
from ursa.api.failures import Failure, failures
from ursa.api.metrics import RequestMetrics
from ursa.errors import ConfigError
from ursa.model.duration import parse_go
from ursa.runtime.clock import Clock
from ursa.runtime.config import Settings
from ursa.runtime.tls import ReloadedPair, TlsFiles, server_context, server_files
from ursa.runtime.tls_rules import server_rules
from ursa.view.live import MovingView, Subscription
from zone_cp.mads.assignments import TYPE_URL, Assigned, MonitoringAssignments
from zone_cp.reconciler.reconciler import Reconciler

log = logging.getLogger(__name__)

PATH = "/v3/discovery:monitoringassignments"
SECOND = 1_000_000_000
GRACE = 1.0
"""Seconds that waiting requests get when the server stops."""

CAUSES = frozenset({"Dataplane", "Mesh", "MeshGateway", "MeshMetric"})


class MonitoringServer:
    """Answers on a port of its own; every instance does."""

    def __init__(
        self,
        settings: Settings,
        live: MovingView,
        reconciler: Reconciler,
        clock: Clock,
        *,
        tls: TlsFiles | None,
        metrics: CollectorRegistry,
    ) -> None:
        """Args:
        settings: the control plane's.
        live: where changes are seen.
        reconciler: knows the plans; asked only after it has taken a change over.
        clock: counts requests' time.
        tls: the control plane's own files.
        metrics: where requests are counted.
        """
        self._settings, self._live, self._reconciler = settings, live, reconciler
        self._clock, self._tls, self._metrics = clock, tls, metrics
        self._assignments = MonitoringAssignments(reconciler.planner)

    def application(self) -> web.Application:
        """What is served."""
        counted = RequestMetrics(self._metrics, self._clock, "mads")
        application = web.Application(middlewares=[counted.middleware(), failures])
        application.router.add_post(PATH, self._discover)
        return application

    async def run(self) -> None:
        """Serves until cancelled.

        Raises:
            ConfigError: the port cannot be opened, or a TLS file cannot be read.
        """
        runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=GRACE, handle_signals=False)
        await runner.setup()
        port = self._settings.monitoring_assignment_server.port
        try:
            await web.TCPSite(runner, "0.0.0.0", port, ssl_context=self._context()).start()
            log.info("listening", extra={"server": "monitoring assignments", "port": port})
            await asyncio.Event().wait()
        except OSError as error:
            reason = (error.strerror or "").lower()
            raise ConfigError(f"cannot listen on port {port} for monitoring assignments: {reason}") from None
        finally:
            await runner.cleanup()

    async def _discover(self, request: web.Request) -> web.Response:
        known, client = await _question(request)
        patience = _patience(request, self._settings.monitoring_assignment_server.default_fetch_timeout)
        subscription = self._live.subscribe("monitoring assignments")
        try:
            found = await self._assigned(client)
            if known and found.version == known and patience > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(patience):
                        found = await self._other(client, known, subscription)
        finally:
            subscription.close()
        return web.Response(status=304) if known == found.version else _answer(found)

    async def _other(self, client: str, known: str, subscription: Subscription) -> Assigned:
        """Waits for what is not known yet; a storm of changes is looked at now and then."""
        while True:
            await subscription.touching(CAUSES)
            found = await self._assigned(client)
            if found.version != known:
                return found
            await self._clock.sleep(self._settings.monitoring_assignment_server.assignment_refresh_interval)

    async def _assigned(self, client: str) -> Assigned:
        await self._reconciler.caught_up()
        return self._assignments.of(client, self._live.current)

    def _context(self) -> ssl.SSLContext | None:
        server = self._settings.monitoring_assignment_server
        if not server.tls_enabled:
            return None
        cert, key = server.tls_cert_file, server.tls_key_file
        if self._tls is None and not (cert and key):
            raise ConfigError("monitoringAssignmentServer.tlsEnabled needs a certificate and its key")
        files = TlsFiles(Path(cert), Path(key)) if self._tls is None else server_files(cert, key, self._tls)
        return server_context(ReloadedPair(files), server_rules(server, self._settings.general))


async def _question(request: web.Request) -> tuple[str, str]:
    """The version that is known, and who asks."""
    try:
        body = orjson.loads(await request.read())
        known, client = body.get("version_info") or "", (body.get("node") or {}).get("id") or ""
        if not isinstance(known, str) or not isinstance(client, str):
            raise ValueError("version_info and node.id are texts")
    except (ValueError, AttributeError) as error:
        raise Failure(400, "Could not parse request body", str(error)) from error
    return known, client


def _patience(request: web.Request, default: float) -> float:
    """Seconds that the caller waits."""
    given = request.query.get("fetch-timeout")
    if given is None:
        return default
    try:
        return parse_go(given) / SECOND
    except ValueError as error:
        raise Failure(400, "Could not parse fetch-timeout", str(error)) from error


def _answer(found: Assigned) -> web.Response:
    resources = {"resources": list(found.resources)} if found.resources else {}
    return answer({"version_info": found.version, **resources, "type_url": TYPE_URL})
