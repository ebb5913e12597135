"""Listens for the API on HTTP and HTTPS, and for diagnostics on a port of their own."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from aiohttp import web

from ursa.api.application import build_application
from ursa.api.context import ApiContext
from ursa.api.diagnostics import build_diagnostics
from ursa.errors import ConfigError, system_reason
from ursa.runtime.listening import BACKLOG
from ursa.runtime.tls import ReloadedPair, TlsFiles, server_context, server_files
from ursa.runtime.tls_rules import TlsLimits, asking, server_rules

log = logging.getLogger(__name__)

GRACE = 3.0
"""Seconds that running requests get when the server stops."""


class TlsServer(TlsLimits, Protocol):
    """The settings of a server about TLS."""

    @property
    def tls_cert_file(self) -> str:
        """Its certificate."""

    @property
    def tls_key_file(self) -> str:
        """Its key."""


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
            await web.TCPSite(runner, host, port, backlog=BACKLOG, ssl_context=tls).start()
        except OSError as error:
            raise ConfigError(f"cannot listen on {host}:{port} for {what}: {system_reason(error)}") from None
        log.info("listening", extra={"server": what, "address": f"{host}:{port}"})

    def _https(self) -> ssl.SSLContext | None:
        https, folder = self._context.settings.api_server.https, self._context.settings.api_server.auth.client_certs_dir

        def authorities() -> Sequence[Path]:
            listed = [Path(https.tls_ca_file)] if https.tls_ca_file else []
            inside = Path(folder).iterdir() if folder else ()
            return listed + sorted(path for path in inside if path.suffix in (".pem", ".crt"))

        asks = https.tls_ca_file or folder or https.require_client_cert
        return self._server_tls(https, authorities if asks else None, client_required=https.require_client_cert)

    def _diagnostics_tls(self) -> ssl.SSLContext | None:
        settings = self._context.settings.diagnostics
        return self._server_tls(settings) if settings.tls_enabled else None

    def _server_tls(
        self,
        server: TlsServer,
        authorities: Callable[[], Sequence[Path]] | None = None,
        *,
        client_required: bool = False,
    ) -> ssl.SSLContext | None:
        cert, key, general = server.tls_cert_file, server.tls_key_file, self._context.tls
        if not (cert and key) and general is None:
            return None
        files = TlsFiles(Path(cert), Path(key)) if general is None else server_files(cert, key, general)
        common = self._context.settings.general
        rules = asking(server_rules(server, common), authorities, required=client_required)
        try:
            return server_context(ReloadedPair(files), rules)
        except OSError as error:
            raise ConfigError(f"cannot read client certificate authorities: {error}") from None
