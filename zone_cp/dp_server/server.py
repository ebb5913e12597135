"""The dataplane server as a whole: one TLS port for gRPC over HTTP/2 and for everything else over HTTP.

What is spoken follows from the handshake. A client that knows only HTTP/2 gets it, because that is how gRPC's clients
are; one that also knows HTTP/1.1, or says nothing, is an HTTP client and gets aiohttp.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from aiohttp import web

from ursa.errors import ConfigError, system_reason
from ursa.runtime.tls import ReloadedPair, server_context
from ursa.runtime.tls_rules import TlsRules
from zone_cp.dp_server.calls import Handler, StreamService
from zone_cp.dp_server.http2.events import Headers
from zone_cp.dp_server.http2.protocol import Http2Protocol, Stream, StreamUser
from zone_cp.dp_server.listener import Listener
from zone_cp.dp_server.plain import PlainRequest
from zone_cp.dp_server.rounds import Rounds
from zone_cp.dp_server.rpc.call import RpcCall
from zone_cp.dp_server.rpc.headers import read_request
from zone_cp.dp_server.tls_transport import TlsTransport

log = logging.getLogger(__name__)

LINGER = 1.0
"""Seconds that clients have at the end to take what was written."""

ALPN = ("http/1.1", "h2")
"""In order of preference."""


@dataclass(frozen=True, slots=True)
class DpServerSettings:
    """Settings `dpServer.*` that concern the transport; durations in seconds. An empty host means all addresses.

    Attributes:
        keepalive: between pings to a silent proxy, and until it must have answered (`spec/dataplane.md` §4.1).
    """

    host: str = ""
    port: int = 5678
    tls: TlsRules = field(default_factory=TlsRules)
    read_header_timeout: float = 5.0
    graceful_shutdown_timeout: float = 10.0
    keepalive: float = 15.0


class DpServer:
    """Listens for proxies."""

    def __init__(
        self,
        settings: DpServerSettings,
        pair: ReloadedPair,
        *,
        streams: Sequence[StreamService],
        http: web.Application,
    ) -> None:
        """Nothing listens before `start`.

        Args:
            settings: where and how to listen.
            pair: certificate.
            streams: the gRPC services.
            http: what answers requests that are not gRPC.
        """
        self._settings, self._streams = settings, streams
        self._context = server_context(pair, replace(settings.tls, alpn=ALPN))
        self._runner = web.AppRunner(http, access_log=None, handle_signals=False)
        self._listener = Listener(self._serve)
        self._handshakes: Rounds[TlsTransport] = Rounds(settings.read_header_timeout, TlsTransport.abort)
        self._connections: Rounds[TlsTransport] = Rounds(settings.keepalive, _look)
        self._proxies: set[Http2Protocol] = set()
        self._calls: set[asyncio.Task[None]] = set()
        self._methods: dict[str, Handler] = {}
        self._gone = asyncio.Event()

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
        self._methods = {path: handler for service in self._streams for path, handler in service.methods().items()}
        await self._runner.setup()
        try:
            port = self._listener.start(self._settings.host, self._settings.port)
        except OSError as error:
            where = f"{self._settings.host}:{self._settings.port}"
            raise ConfigError(f"cannot listen on {where} for proxies: {system_reason(error)}") from None
        log.info("listening", extra={"server": "data plane server", "address": f"{self._settings.host or '*'}:{port}"})
        return port

    async def close(self, grace: float = 10.0) -> None:
        """Accepts nothing new, ends the streams, and gives running requests that many seconds to finish."""
        self._listener.close()
        for connection in list(self._proxies):
            connection.leave()
        for service in self._streams:
            service.close()
        if self._calls:
            _, late = await asyncio.wait(self._calls, timeout=grace)
            for call in late:
                call.cancel()
            if late:
                await asyncio.wait(late)
        await self._runner.cleanup()
        await self._let_go()

    async def _let_go(self) -> None:
        """Connections close by themselves when their last stream has ended; those that cannot are cut."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                while self._handshakes or self._connections:
                    self._gone.clear()
                    await self._gone.wait()
        for transport in (*self._handshakes, *self._connections):
            transport.abort()
        await asyncio.sleep(0)

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                # A peer that died does not answer the end of the connection either.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(2000 * self._settings.keepalive))
            wrapped = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            transport = TlsTransport(wrapped, self._choose, on_open=self._opened, on_lost=self._lost)
        except OSError as error:
            # It is gone already, as the connections of port scans and load balancers' probes are.
            log.debug("connection to the dataplane server dropped", extra={"error": str(error) or type(error).__name__})
            connection.close()
            return
        self._handshakes.add(transport)

    def _choose(self, agreed: str | None) -> asyncio.BaseProtocol:
        if agreed == "h2":
            proxy = Http2Protocol(self._accept, self._proxies.discard)
            self._proxies.add(proxy)
            return proxy
        server = self._runner.server
        assert server is not None  # made by setup
        return server()

    def _opened(self, transport: TlsTransport) -> None:
        self._handshakes.discard(transport)
        self._connections.add(transport)

    def _lost(self, transport: TlsTransport) -> None:
        self._handshakes.discard(transport)
        self._connections.discard(transport)
        self._gone.set()

    def _accept(self, stream: Stream, headers: Headers) -> StreamUser:
        request = read_request(headers)
        if not request.is_grpc:
            server = self._runner.server
            assert server is not None  # made by setup
            return PlainRequest(stream, request, server)
        call = RpcCall(stream, request)
        call.start(self._methods.get(request.path))
        if call.task is not None:
            self._calls.add(call.task)
            call.task.add_done_callback(self._calls.discard)
        return call


def _look(transport: TlsTransport) -> None:
    """Finds out after an interval whether somebody is still there."""
    if transport.is_closing():
        transport.abort()
    elif isinstance(protocol := transport.get_protocol(), Http2Protocol):
        protocol.look()
