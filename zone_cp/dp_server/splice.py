"""Two sockets as one: what comes in on either side goes out on the other, with back pressure and half-closed ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable


class Side(asyncio.Protocol):
    """One end of a splice. The ends are joined before either of them is read."""

    def __init__(self, on_lost: Callable[[Side], None]) -> None:
        """Tells `on_lost` when the connection is gone."""
        self._on_lost = on_lost
        self._other: asyncio.Transport | None = None
        self.transport: asyncio.Transport | None = None

    def join(self, other: Side) -> None:
        """Sends everything to the other end from now on."""
        self._other = other.transport
        if self.transport is not None:
            self.transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        assert self._other is not None  # reading starts with join
        self._other.write(data)

    def eof_received(self) -> bool:
        if self._other is not None and self._other.can_write_eof() and not self._other.is_closing():
            self._other.write_eof()
        return True  # the other direction may go on

    def pause_writing(self) -> None:
        if self._other is not None:
            self._other.pause_reading()

    def resume_writing(self) -> None:
        if self._other is not None and not self._other.is_closing():
            self._other.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._other is not None:
            self._other.close()
        self._on_lost(self)


async def splice(client: socket.socket, path: str, on_lost: Callable[[Side], None]) -> tuple[Side, Side]:
    """Joins an accepted connection with the server that listens at a Unix socket; returns both ends.

    Raises:
        OSError: the server cannot be reached; `client` is left to the caller.
    """
    loop = asyncio.get_running_loop()
    _, server_side = await loop.create_unix_connection(lambda: Side(on_lost), path)
    _, client_side = await loop.connect_accepted_socket(lambda: Side(on_lost), client)
    server_side.join(client_side)
    client_side.join(server_side)
    return client_side, server_side
