"""The KDS server as a component: its address, its certificate, and the order in which it ends."""

from __future__ import annotations

import asyncio
import logging

from global_cp.zones import Zones
from kds.server import KdsServer
from ursa.errors import ConfigError
from ursa.runtime.config import Settings
from ursa.runtime.tls import ReloadedPair, TlsFiles, grpc_credentials, server_files

log = logging.getLogger(__name__)


class KdsPort:
    """Serves zones until cancelled."""

    def __init__(self, settings: Settings, server: KdsServer, zones: Zones, tls: TlsFiles | None) -> None:
        self._kds, self._server, self._zones, self._tls = settings.multizone.global_.kds, server, zones, tls

    async def run(self) -> None:
        """Listens, serves, and at the end records that all zones are disconnected.

        Raises:
            ConfigError: the port is taken or the certificate cannot be read.
        """
        credentials = None
        if self._kds.tls_enabled:
            if self._tls is None:
                raise ConfigError("kds needs a certificate: general.tlsCertFile is empty")
            files = server_files(self._kds.tls_cert_file, self._kds.tls_key_file, self._tls)
            credentials = grpc_credentials(ReloadedPair(files))
        try:
            await self._server.start(f"0.0.0.0:{self._kds.grpc_port}", credentials)
        except RuntimeError as error:
            reason = str(error).partition(";")[0].lower()
            raise ConfigError(f"cannot listen on port {self._kds.grpc_port} for kds: {reason}") from None
        log.info("listening", extra={"server": "kds", "port": self._kds.grpc_port})
        try:
            await asyncio.Event().wait()
        finally:
            await self._zones.close()
            await self._server.stop()
