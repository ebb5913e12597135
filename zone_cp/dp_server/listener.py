"""The listening socket: accepts connections and hands them over, also when the process is out of descriptors."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

from ursa.runtime.listening import BACKLOG

log = logging.getLogger(__name__)

AT_ONCE = 64
"""Connections accepted before others get their turn in the loop."""
PAUSE = 1.0
"""Seconds without accepting when the process is out of file descriptors."""


class Listener:
    """Accepts connections."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        """Hands every connection to `serve`, as a socket that does not block."""
        self._serve = serve
        self._socket: socket.socket | None = None

    def start(self, host: str, port: int) -> int:
        """Listens and returns the port; an empty host means all addresses, of both families where there are two."""
        everywhere = host in ("", "::") and socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if everywhere or ":" in host else socket.AF_INET
        self._socket = socket.create_server(
            ("::" if everywhere else host, port), family=family, backlog=BACKLOG, dualstack_ipv6=everywhere
        )
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket, self._accept)
        return int(self._socket.getsockname()[1])

    def close(self) -> None:
        """Accepts nothing any more; connections that were handed over are not touched."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _accept(self) -> None:
        assert self._socket is not None  # the reader is removed with it
        for _ in range(AT_ONCE):
            try:
                connection, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._rest(error)
                return
            connection.setblocking(False)
            self._serve(connection)

    def _rest(self, error: OSError) -> None:
        """Out of descriptors: the connection stays in the backlog, so asking again at once would be a busy loop."""
        log.error("cannot accept connections of proxies", extra={"error": error})
        assert self._socket is not None  # only a listener can be out of descriptors
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket)
        loop.call_later(PAUSE, self._resume)

    def _resume(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().add_reader(self._socket, self._accept)
