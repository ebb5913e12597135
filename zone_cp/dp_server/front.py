"""One port, two servers: hands each new connection to gRPC or to HTTP by what its TLS client offers.

gRPC insists on HTTP/2 and on its own sockets, aiohttp speaks HTTP/1.1, and Kuma's proxies expect both behind port 5678.
The front only *peeks* at the first message, so either server does its own TLS on an untouched connection.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

from ursa.runtime.tasks import cancel_and_wait, spawn
from zone_cp.dp_server.client_hello import MAX_HELLO, NotTls, bytes_needed, offered_protocols

log = logging.getLogger(__name__)

BACKLOG = 1024
PAUSE = 1.0
"""Seconds without accepting when the process is out of file descriptors."""
GRPC_ONLY = frozenset({"h2", "grpc-exp"})
"""What gRPC clients offer, and nothing else; HTTP clients fall back to HTTP/1.1 and so offer that, too."""

Serve = Callable[[socket.socket], Awaitable[None]]
"""Takes over an accepted connection; it closes the socket when it fails."""


class Front:
    """Accepts connections and routes them."""

    def __init__(self, serve_grpc: Serve, serve_http: Serve, *, timeout: float) -> None:
        """Routes to these servers.

        Args:
            serve_grpc: takes connections that only accept gRPC.
            serve_http: takes all others.
            timeout: seconds in which a client must have said what it wants, and a server must have taken it.
        """
        self._serve_grpc, self._serve_http, self._timeout = serve_grpc, serve_http, timeout
        self._listener: socket.socket | None = None
        self._routing: set[asyncio.Task[None]] = set()

    def start(self, host: str, port: int) -> int:
        """Listens and returns the port; an empty host means all addresses, of both families where there are two."""
        everywhere = host in ("", "::") and socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if everywhere or ":" in host else socket.AF_INET
        self._listener = socket.create_server(
            ("::" if everywhere else host, port), family=family, backlog=BACKLOG, dualstack_ipv6=everywhere
        )
        self._listener.setblocking(False)
        asyncio.get_running_loop().add_reader(self._listener, self._accept)
        return int(self._listener.getsockname()[1])

    async def close(self) -> None:
        """Accepts nothing any more; connections that were handed over are not touched."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        await cancel_and_wait(*self._routing)

    def _accept(self) -> None:
        assert self._listener is not None  # the reader is removed with it
        for _ in range(BACKLOG):
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._rest(error)
                return
            connection.setblocking(False)
            task = spawn(self._route(connection), "routing of a connection to the dataplane server")
            self._routing.add(task)
            task.add_done_callback(self._routing.discard)

    def _rest(self, error: OSError) -> None:
        """Out of descriptors: the connection stays in the backlog, so asking again at once would be a busy loop."""
        log.error("cannot accept connections of proxies", extra={"error": error})
        assert self._listener is not None  # only a listener can be out of descriptors
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        loop.call_later(PAUSE, self._resume)

    def _resume(self) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

    async def _route(self, connection: socket.socket) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                serve = self._serve_grpc if await _wants_grpc(connection) else self._serve_http
                await serve(connection)
        except (OSError, TimeoutError, NotTls) as error:
            # Port scans and load balancer probes look like this; they are not worth more.
            log.debug("connection to the dataplane server dropped", extra={"error": str(error) or type(error).__name__})
            connection.close()
        except asyncio.CancelledError:
            connection.close()
            raise


async def _wants_grpc(connection: socket.socket) -> bool:
    """Looks at the protocols that a client offers and leaves every byte in place."""
    needed = 1
    while True:
        await _available(connection, needed)
        data = connection.recv(2 * MAX_HELLO, socket.MSG_PEEK)
        if len(data) < needed:
            raise NotTls("the client closed before it said what it wants")
        needed = bytes_needed(data)
        if needed > 2 * MAX_HELLO:
            raise NotTls("the first message is too long")
        if needed <= len(data):
            offered = offered_protocols(data)
            return bool(offered) and GRPC_ONLY.issuperset(offered)


async def _available(connection: socket.socket, count: int) -> None:
    """Waits until that many bytes can be peeked at; the mark keeps bytes that stay from waking the loop again."""
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)

    def wake() -> None:
        if not readable.done():
            readable.set_result(None)

    loop.add_reader(connection, wake)
    try:
        await readable
    finally:
        loop.remove_reader(connection)
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
