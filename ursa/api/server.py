"""Listens for the API on HTTP and HTTPS, and for diagnostics on a port of their own."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

from aiohttp import web

from ursa.api.application import build_application
from ursa.api.context import ApiContext
from ursa.api.diagnostics import build_diagnostics
from ursa.errors import ConfigError
from ursa.runtime.tls import ReloadedPair, TlsFiles, server_context, server_files

log = logging.getLogger(__name__)

GRACE = 3.0
"""Seconds that running requests get when the server stops."""


class ApiServer:
    """The API of a control plane on its sockets."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._runners: list[web.AppRunner] = []

    async def start(self) -> None:
        """Opens all sockets that the settings ask for.

        Raises:
            ConfigError: a port cannot be opened, or a TLS file cannot be read.
        """
        settings = self._context.settings
        api = await self._runner(build_application(self._context))
        if settings.api_server.http.enabled:
            await self._listen(api, "api", settings.api_server.http.interface, settings.api_server.http.port, None)
        https = settings.api_server.https
        if https.enabled and (tls := self._https()) is not None:
            await self._listen(api, "api over tls", https.interface, https.port, tls)
        diagnostics = await self._runner(build_diagnostics(self._context))
        await self._listen(
            diagnostics, "diagnostics", "0.0.0.0", settings.diagnostics.server_port, self._diagnostics_tls()
        )

    async def close(self) -> None:
        """Stops listening and lets running requests end."""
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))
        self._runners.clear()

    async def run(self) -> None:
        """Serves until cancelled: a component of a control plane."""
        try:
            await self.start()
            await asyncio.Event().wait()
        finally:
            await self.close()

    async def _runner(self, application: web.Application) -> web.AppRunner:
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=GRACE, handle_signals=False)
        await runner.setup()
        self._runners.append(runner)
        return runner

    async def _listen(self, runner: web.AppRunner, what: str, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        try:
            await web.TCPSite(runner, host, port, ssl_context=tls).start()
        except OSError as error:
            raise ConfigError(f"cannot listen on {host}:{port} for {what}: {(error.strerror or '').lower()}") from None
        log.info("listening", extra={"server": what, "address": f"{host}:{port}"})

    def _https(self) -> ssl.SSLContext | None:
        settings = self._context.settings.api_server
        tls = self._server_tls(
            settings.https.tls_cert_file, settings.https.tls_key_file, settings.https.tls_min_version
        )
        if tls is None:
            return None
        authorities = [Path(settings.https.tls_ca_file)] if settings.https.tls_ca_file else []
        if settings.auth.client_certs_dir:
            folder = Path(settings.auth.client_certs_dir)
            authorities += sorted(p for p in folder.iterdir() if p.suffix in (".pem", ".crt"))
        if authorities:
            tls.verify_mode = ssl.CERT_REQUIRED if settings.https.require_client_cert else ssl.CERT_OPTIONAL
        for file in authorities:
            try:
                tls.load_verify_locations(cafile=str(file))
            except (OSError, ssl.SSLError) as error:
                raise ConfigError(f"cannot read client certificate authority {file}: {error}") from None
        return tls

    def _diagnostics_tls(self) -> ssl.SSLContext | None:
        settings = self._context.settings.diagnostics
        if not settings.tls_enabled:
            return None
        return self._server_tls(settings.tls_cert_file, settings.tls_key_file, settings.tls_min_version)

    def _server_tls(self, cert: str, key: str, minimum: str) -> ssl.SSLContext | None:
        general: TlsFiles | None = self._context.tls
        if not (cert and key) and general is None:
            return None
        files = TlsFiles(Path(cert), Path(key)) if general is None else server_files(cert, key, general)
        return server_context(ReloadedPair(files), min_version=minimum)
