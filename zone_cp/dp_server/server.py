"""The dataplane server as a whole: the front, the gRPC server behind it and the HTTP server beside it."""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import grpc
from aiohttp import web

from ursa.errors import ConfigError
from ursa.runtime.tls import ReloadedPair, grpc_credentials, server_context
from ursa.runtime.tls_rules import TlsRules
from zone_cp.dp_server.connections import Connections
from zone_cp.dp_server.front import Front

log = logging.getLogger(__name__)

KEEPALIVE = 15_000
"""Milliseconds between pings to a silent proxy, and until it must have answered (`spec/dataplane.md` §4.1)."""

OPTIONS = (
    ("grpc.keepalive_time_ms", KEEPALIVE),
    ("grpc.keepalive_timeout_ms", KEEPALIVE),
    ("grpc.keepalive_permit_without_calls", 1),
    # Proxies ping every 10 s; by default that counts as an attack.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.max_concurrent_streams", 1_000_000),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
)


@dataclass(frozen=True, slots=True)
class DpServerSettings:
    """Settings `dpServer.*` that concern the transport; durations in seconds. An empty host means all addresses."""

    host: str = ""
    port: int = 5678
    tls: TlsRules = field(default_factory=TlsRules)
    read_header_timeout: float = 5.0
    graceful_shutdown_timeout: float = 10.0


class StreamService(Protocol):
    """A gRPC service whose streams last as long as proxies are connected."""

    def handler(self) -> grpc.GenericRpcHandler:
        """What the gRPC server calls."""

    def close(self) -> None:
        """Ends all streams."""


class DpServer:
    """Listens for proxies."""

    def __init__(
        self,
        settings: DpServerSettings,
        pair: ReloadedPair,
        *,
        streams: Sequence[StreamService],
        http: web.Application,
        connections: Connections,
    ) -> None:
        """Nothing listens before `start`.

        Args:
            settings: where and how to listen.
            pair: certificate of both servers.
            streams: the gRPC services.
            http: what answers requests that are not gRPC.
            connections: gets those of the gRPC services.
        """
        self._settings, self._pair, self._streams = settings, pair, streams
        self._context = server_context(pair, replace(settings.tls, alpn=("http/1.1",)))
        self._runner = web.AppRunner(http, access_log=None, handle_signals=False)
        self._front = Front(self._serve_grpc, self._serve_http, timeout=settings.read_header_timeout)
        self._grpc: grpc.aio.Server | None = None
        self._socket_dir: Path | None = None
        self._connections = connections

    async def run(self) -> None:
        """Serves until cancelled: a component of a control plane."""
        try:
            await self.start()
            await asyncio.Event().wait()
        finally:
            await self.close(self._settings.graceful_shutdown_timeout)

    async def start(self) -> int:
        """Starts all parts and returns the port.

        Raises:
            ConfigError: the port is taken.
        """
        # A directory of our own, so that nobody else gets at the socket.
        self._socket_dir = Path(tempfile.mkdtemp(prefix="ursa-dp-"))
        self._grpc = grpc.aio.server(options=OPTIONS)
        self._grpc.add_generic_rpc_handlers([service.handler() for service in self._streams])
        self._grpc.add_secure_port(f"unix:{self._socket}", grpc_credentials(self._pair))
        await self._grpc.start()
        await self._runner.setup()
        try:
            port = self._front.start(self._settings.host, self._settings.port)
        except OSError as error:
            where = f"{self._settings.host}:{self._settings.port}"
            raise ConfigError(f"cannot listen on {where} for proxies: {(error.strerror or '').lower()}") from None
        log.info("listening", extra={"server": "data plane server", "port": port})
        return port

    async def close(self, grace: float = 10.0) -> None:
        """Accepts nothing new, ends the streams, and gives running requests that many seconds to finish."""
        await self._front.close()
        for service in self._streams:
            service.close()
        if self._grpc is not None:
            await self._grpc.stop(grace)
        self._connections.close()
        await self._runner.cleanup()
        if self._socket_dir is not None:
            await asyncio.to_thread(shutil.rmtree, self._socket_dir, ignore_errors=True)

    @property
    def _socket(self) -> Path:
        assert self._socket_dir is not None  # set by start
        return self._socket_dir / "grpc.sock"

    async def _serve_grpc(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # A peer that died does not answer the end of the connection either, which would keep the splice open.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 2 * KEEPALIVE)
        await self._connections.join(connection, self._socket)

    async def _serve_http(self, connection: socket.socket) -> None:
        server = self._runner.server
        assert server is not None  # made by setup
        await asyncio.get_running_loop().connect_accepted_socket(
            server, connection, ssl=self._context, ssl_handshake_timeout=self._settings.read_header_timeout
        )
