"""The life of one proxy: bootstrap, start, readiness, draining, end.

On SIGTERM the proxy first says it is leaving (readiness turns 503, Envoy fails its health check, so callers look
elsewhere), keeps serving for the drain time, and only then stops. A second signal ends it at once. SIGUSR2 drains only:
whoever sent it waits as long as it likes, and SIGTERM then ends the proxy without waiting again. When Envoy ends by
itself, so does the launcher, with its status: whoever supervises the launcher restarts both.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import tempfile
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from ursa.dataplane import access_log, resource, sockets, token
from ursa.dataplane.bootstrap import Bootstrap, BootstrapClient, keep, kept
from ursa.dataplane.envoy import EnvoyProcess, EnvoyVersion, command_line, find, version_of
from ursa.dataplane.metrics.service import Metrics
from ursa.dataplane.readiness import ReadinessReporter
from ursa.dataplane.request import bootstrap_request
from ursa.dataplane.settings import DataplaneSettings
from ursa.errors import ConfigError, Unavailable
from ursa.model.labels import SERVICE_TAG
from ursa.runtime.clock import Clock
from ursa.runtime.tasks import Backoff, Supervisor, cancel_and_wait, spawn

log = logging.getLogger(__name__)

FAIL_HEALTH_CHECK = "/healthcheck/fail"
DRAIN_LISTENERS = "/drain_listeners?inboundonly&graceful&skip_exit"
"""Calls of Envoy's admin interface."""

ADMIN_TIMEOUT = aiohttp.ClientTimeout(total=2)


class Launcher:
    """Runs one Envoy from start to end."""

    def __init__(self, settings: DataplaneSettings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._supervisor = Supervisor(clock, Backoff(5, 60))
        self._stop = asyncio.Event()
        self._stop_now = asyncio.Event()
        self._drain = asyncio.Event()
        self._drained = False

    async def run(self) -> int:
        """Runs the proxy until it is told to stop or Envoy ends; returns the exit status."""
        document = resource.load(self._settings)
        proxy_token = token.load(self._settings)
        binary = find(self._settings.binary_path)
        envoy = await version_of(binary)
        if not envoy.tested:
            log.warning("this Envoy version was not tested", extra={"version": envoy.version})
        work_dir = Path(self._settings.work_dir or tempfile.mkdtemp(prefix="ursa-dp-"))
        work_dir.mkdir(parents=True, exist_ok=True)
        self._watch_signals()
        bootstrap = await self._bootstrap(document, proxy_token, work_dir, envoy)
        config = work_dir / "bootstrap.yaml"
        _write_private(config, bootstrap.envoy)
        metrics = self._metrics(bootstrap, config, work_dir, document)
        return await self._serve(binary, config, work_dir, _identity(document, self._settings), metrics)

    async def _bootstrap(
        self, document: dict[str, Any] | None, proxy_token: str, work_dir: Path, envoy: EnvoyVersion
    ) -> Bootstrap:
        settings = self._settings
        ca_cert = _ca_text(settings.ca_cert)
        client = BootstrapClient(
            settings.cp_address,
            ca_cert=ca_cert,
            skip_verify=settings.skip_verify,
            backoff=settings.retry_backoff,
            patience=settings.retry_max_duration,
            clock=self._clock,
        )
        request = bootstrap_request(
            settings, resource=document, token=proxy_token, ca_cert=ca_cert, work_dir=str(work_dir), envoy=envoy
        )
        memory = work_dir / "last-bootstrap.json"
        asking = spawn(client.fetch(request), "bootstrap")
        stopping = spawn(self._stop.wait(), "stop requested")
        try:
            await asyncio.wait({asking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                raise ConfigError("stopped before a bootstrap was received")
            answer = asking.result()
        except Unavailable:
            last = kept(memory)
            if last is None:
                raise
            log.warning("no control plane answers, starting from the last bootstrap of this proxy")
            return last
        finally:
            await cancel_and_wait(asking, stopping)
        keep(memory, answer)
        return answer

    def _metrics(
        self, bootstrap: Bootstrap, config: Path, work_dir: Path, document: dict[str, Any] | None
    ) -> Metrics | None:
        """What shows the metrics of a Dataplane; proxies of the zone have none to show."""
        if self._settings.proxy_type != "dataplane":
            return None
        name = _identity(document, self._settings)
        networking = (document or {}).get("networking") or {}
        return Metrics(
            work_dir,
            name,
            bootstrap.sidecar,
            admin=_admin_url(config),
            transparent="transparentProxying" in networking,
            service=self._settings.telemetry_service or _service(networking) or "ursa-dp",
            every=self._settings.dynamic_refresh,
            supervisor=self._supervisor,
            clock=self._clock,
        )

    async def _serve(
        self, binary: str, config: Path, work_dir: Path, identity: tuple[str, str], metrics: Metrics | None
    ) -> int:
        settings = self._settings
        pipe = sockets.access_log(str(work_dir), *identity)
        access_log.make_pipe(pipe)
        socket = sockets.readiness(str(work_dir)) if settings.readiness_unix_socket else None
        readiness = ReadinessReporter(socket, settings.readiness_port)
        await readiness.open()
        if metrics is not None:
            await metrics.open()
        arguments = command_line(
            binary,
            config,
            drain_time=settings.drain_time,
            log_level=settings.envoy_log_level or settings.log_level,
            component_log_level=settings.envoy_component_log_level,
            concurrency=settings.concurrency,
        )
        envoy = await EnvoyProcess.start(arguments)
        self._supervisor.start("access log streamer", access_log.AccessLogStreamer(pipe).run)
        log.info("envoy started", extra={"proxy": f"{identity[1]}.{identity[0]}", "work_dir": work_dir})
        try:
            return await self._until_end(envoy, readiness, _admin_url(config))
        finally:
            await envoy.stop()
            await self._supervisor.close()
            await readiness.close()
            if metrics is not None:
                await metrics.close()

    async def _until_end(self, envoy: EnvoyProcess, readiness: ReadinessReporter, admin: str) -> int:
        waiting = spawn(envoy.wait(), "envoy exit")
        stopping = spawn(self._stop.wait(), "stop requested")
        draining = spawn(self._drain_when_asked(admin), "drain requested")
        try:
            await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                status = waiting.result()
                log.error("envoy ended by itself", extra={"status": status})
                return max(status, 1)
            readiness.terminating = True
            await _ask_envoy(admin, FAIL_HEALTH_CHECK)
            if not self._drained:
                await self._until_drained(waiting)
            return 0
        finally:
            await cancel_and_wait(waiting, stopping, draining)

    async def _until_drained(self, waiting: asyncio.Task[int]) -> None:
        log.info("draining", extra={"seconds": self._settings.drain_time})
        now = spawn(self._stop_now.wait(), "second signal")
        await asyncio.wait({waiting, now}, timeout=self._settings.drain_time, return_when=asyncio.FIRST_COMPLETED)
        await cancel_and_wait(now)

    async def _drain_when_asked(self, admin: str) -> None:
        await self._drain.wait()
        log.info("draining until told to stop")
        await _ask_envoy(admin, DRAIN_LISTENERS)
        self._drained = True

    def _watch_signals(self) -> None:
        def on_signal() -> None:
            (self._stop_now if self._stop.is_set() else self._stop).set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_signal)
        loop.add_signal_handler(signal.SIGUSR2, self._drain.set)


async def _ask_envoy(admin: str, call: str) -> None:
    try:
        async with aiohttp.ClientSession(timeout=ADMIN_TIMEOUT) as session, session.post(f"{admin}{call}"):
            pass
    except (aiohttp.ClientError, TimeoutError) as error:
        log.warning("envoy did not accept that it is draining", extra={"error": error})


def _identity(document: dict[str, Any] | None, settings: DataplaneSettings) -> tuple[str, str]:
    """Name and mesh of the proxy, from which socket names are made."""
    if document is None:
        return settings.name, settings.mesh
    return str(document["name"]), str(document.get("mesh", "")) if settings.proxy_type == "dataplane" else ""


def _service(networking: dict[str, Any]) -> str:
    """The first service of a proxy."""
    parts = [networking.get("gateway") or {}, *(networking.get("inbound") or ())]
    return next((str(part["tags"][SERVICE_TAG]) for part in parts if SERVICE_TAG in (part.get("tags") or {})), "")


def _admin_url(config: Path) -> str:
    address = yaml.load(config.read_text(), Loader=yaml.CSafeLoader)["admin"]["address"]["socketAddress"]  # noqa: TID251
    host = address["address"]
    return f"http://{f'[{host}]' if ':' in host else host}:{address['portValue']}"


def _ca_text(given: str) -> str:
    """The CA certificate, given as PEM text or as a path."""
    if not given or given.lstrip().startswith("-----BEGIN"):
        return given
    try:
        return Path(given).read_text()
    except OSError as error:
        raise ConfigError(f"could not read the CA certificate {given}: {error.strerror}") from None


def _write_private(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
