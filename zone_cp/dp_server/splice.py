"""Two sockets as one: what comes in on either side goes out on the other, with back pressure and half-closed ends.

Every message of every proxy passes here, so this is on sockets and callbacks of the event loop; asyncio's transports
and protocols would take more time per message than the system calls do.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PORTION = 32 * 1024
"""Bytes moved at a time. A larger buffer would be mapped and unmapped by the allocator for every message."""


class Direction:
    """From one socket to another."""

    def __init__(self, source: socket.socket, target: socket.socket, on_end: Callable[[], None]) -> None:
        """Calls `on_end` once, when nothing will come any more or a socket is broken."""
        self._loop = asyncio.get_running_loop()
        self._source, self._target, self._on_end = source, target, on_end
        self._waiting = b""
        self.ended = self.broken = False

    def start(self) -> None:
        """Reads whenever there is something."""
        self._loop.add_reader(self._source, self._read)

    def stop(self) -> None:
        """Moves nothing any more."""
        self._loop.remove_reader(self._source)
        if self._waiting:
            self._loop.remove_writer(self._target)
            self._waiting = b""

    def _read(self) -> None:
        try:
            data = self._source.recv(PORTION)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._end(broken=True)
            return
        if not data:
            self._loop.remove_reader(self._source)
            with suppress(OSError):
                self._target.shutdown(socket.SHUT_WR)
            self._end(broken=False)
            return
        rest = self._send(data)
        if rest:
            # The target is slow: nothing is read before it has taken this.
            self._waiting = rest
            self._loop.remove_reader(self._source)
            self._loop.add_writer(self._target, self._write)

    def _write(self) -> None:
        self._waiting = self._send(self._waiting)
        if not self._waiting and not self.ended:
            self._loop.remove_writer(self._target)
            self.start()

    def _send(self, data: bytes) -> bytes:
        """Sends what can be sent now and returns the rest."""
        try:
            return data[self._target.send(data) :]
        except (BlockingIOError, InterruptedError):
            return data
        except OSError:
            self._end(broken=True)
            return b""

    def _end(self, *, broken: bool) -> None:
        self.ended, self.broken = True, broken
        self._on_end()


class Splice:
    """A client's connection and the one to the server behind it."""

    def __init__(self, client: socket.socket, server: socket.socket, on_lost: Callable[[Splice], object]) -> None:
        """Tells `on_lost` when both are closed."""
        self._sockets, self._on_lost, self._is_open = (client, server), on_lost, True
        self._directions = (Direction(client, server, self._ended), Direction(server, client, self._ended))
        for direction in self._directions:
            direction.start()

    def close(self) -> None:
        """Closes both connections."""
        if not self._is_open:
            return
        self._is_open = False
        for direction in self._directions:
            direction.stop()
        for end in self._sockets:
            end.close()
        self._on_lost(self)

    def _ended(self) -> None:
        """A direction that ended in order leaves the other one running."""
        if any(d.broken for d in self._directions) or all(d.ended for d in self._directions):
            self.close()


async def splice(client: socket.socket, path: str, name: Path, on_lost: Callable[[Splice], object]) -> Splice:
    """Joins an accepted connection with the server that listens at a Unix socket, to which it is known by `name`.

    Raises:
        OSError: the server cannot be reached; `client` is left to the caller.
    """
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.setblocking(False)
    try:
        server.bind(str(name))
        # The name outlives its file.
        name.unlink()
        await asyncio.get_running_loop().sock_connect(server, path)
    except BaseException:
        server.close()
        raise
    return Splice(client, server, on_lost)
