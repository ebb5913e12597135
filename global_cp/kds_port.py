"""The KDS server as a component: its address, its certificate, and the order in which it ends."""

from __future__ import annotations

import asyncio
import logging

from global_cp.zones import Zones
from kds.server import KdsServer
from ursa.errors import ConfigError
from ursa.runtime.config import Settings
from ursa.runtime.tls import ReloadedPair, TlsFiles, grpc_credentials, server_context, server_files
from ursa.runtime.tls_front import TlsFront
from ursa.runtime.tls_rules import server_rules

log = logging.getLogger(__name__)


class KdsPort:
    """Serves zones until cancelled."""

    def __init__(self, settings: Settings, server: KdsServer, zones: Zones, tls: TlsFiles | None) -> None:
        self._kds, self._server, self._zones, self._tls = settings.multizone.global_.kds, server, zones, tls
        self._rules = server_rules(self._kds, settings.general, alpn=("h2",))

    async def run(self) -> None:
        """Listens, serves, and at the end records that all zones are disconnected.

        Raises:
            ConfigError: the port is taken, the certificate cannot be read, or there is no TLS as the settings want it.
        """
        host, port, front = "0.0.0.0", self._kds.grpc_port, None
        try:
            if not self._kds.tls_enabled:
                await self._server.start(f"{host}:{port}", None)
            elif self._rules.usual:
                await self._server.start(f"{host}:{port}", grpc_credentials(self._pair()))
            else:
                front = TlsFront(server_context(self._pair(), self._rules))
                await self._server.start(front.behind, None)
                await front.start(host, port)
            log.info("listening", extra={"server": "kds", "port": port})
            await asyncio.Event().wait()
        except (RuntimeError, OSError) as error:
            reason = str(error).partition(";")[0].lower()
            raise ConfigError(f"cannot listen on port {port} for kds: {reason}") from None
        finally:
            await self._zones.close()
            await self._server.stop()
            if front is not None:
                await front.close()

    def _pair(self) -> ReloadedPair:
        if self._tls is None:
            raise ConfigError("kds needs a certificate: general.tlsCertFile is empty")
        return ReloadedPair(server_files(self._kds.tls_cert_file, self._kds.tls_key_file, self._tls))
