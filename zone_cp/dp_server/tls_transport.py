"""TLS over an accepted socket as a transport of asyncio, for a thousand connections that are mostly silent.

asyncio has one, too: it keeps a buffer of 256 KiB for every connection and runs each record through two more buffers.
Here OpenSSL works on the socket itself and all connections share one buffer, which is 28 KB instead of 300 KB for each
of them and half the time for each message. The handshake is done before there is a protocol, because which one is
spoken is part of it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress

RECORD = 16_384
"""What a record of TLS can hold: OpenSSL wants a write that could not be done repeated with the same bytes."""
HIGH_WATER = 64 * 1024
LOW_WATER = 16 * 1024

SCRATCH = bytearray(RECORD)
"""Where every connection reads into; what it gets is copied from there before anything else happens."""

Choose = Callable[[str | None], asyncio.BaseProtocol]
"""The protocol for what was agreed upon in the handshake, None when the client had nothing to offer."""


class TlsTransport(asyncio.Transport):
    """The server's end of a connection."""

    def __init__(
        self,
        connection: ssl.SSLSocket,
        choose: Choose,
        *,
        on_open: Callable[[TlsTransport], None],
        on_lost: Callable[[TlsTransport], None],
    ) -> None:
        """Begins with the handshake.

        Args:
            connection: a socket that does not block and has not done its handshake.
            choose: makes the protocol after the handshake.
            on_open: is told when the handshake is done.
            on_lost: is told once when the connection is closed.
        """
        super().__init__({"peername": connection.getpeername(), "sockname": connection.getsockname()})
        self._loop = asyncio.get_running_loop()
        self._socket, self._choose, self._on_open, self._on_lost = connection, choose, on_open, on_lost
        self._protocol: asyncio.BaseProtocol | None = None
        self._backlog: deque[memoryview] = deque()
        self._size = 0
        self._limits = (LOW_WATER, HIGH_WATER)
        self._reads, self._writes, self._blocked = True, False, False
        self._closing = self._closed = False
        self._loop.add_reader(connection, self._on_readable)

    def get_extra_info(self, name: str, default: object = None) -> object:
        """As asyncio's transports."""
        if name in ("socket", "ssl_object"):
            return self._socket
        if name == "sslcontext":
            return self._socket.context
        return super().get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Another protocol from now on."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The protocol; there is none before the handshake."""
        assert self._protocol is not None
        return self._protocol

    def is_closing(self) -> bool:
        """Whether nothing can be written any more."""
        return self._closing

    def is_reading(self) -> bool:
        """Whether the protocol gets what comes."""
        return self._reads

    def pause_reading(self) -> None:
        """Leaves what comes in the kernel."""
        if self._reads and not self._closed:
            self._loop.remove_reader(self._socket)
        self._reads = False

    def resume_reading(self) -> None:
        """Reads again."""
        if not self._reads and not self._closing:
            self._reads = True
            self._loop.add_reader(self._socket, self._on_readable)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Between which sizes of the backlog the protocol is paused."""
        high = HIGH_WATER if high is None else high
        self._limits = (high // 4 if low is None else low, high)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """The same, low and high."""
        return self._limits

    def get_write_buffer_size(self) -> int:
        """Bytes that the kernel has not taken."""
        return self._size

    def can_write_eof(self) -> bool:
        """TLS is closed as a whole."""
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Sends, now as far as the kernel takes it."""
        if self._closing or not data:
            return
        whole = memoryview(data)
        if not self._backlog:
            whole = whole[self._send_now(whole) :]
        if not whole or self._closed:
            return
        if not isinstance(data, bytes):
            whole = memoryview(bytes(whole))
        self._backlog.extend(whole[at : at + RECORD] for at in range(0, len(whole), RECORD))
        self._size += len(whole)
        self._watch_writes()
        if self._size > self._limits[1] and not self._blocked and isinstance(self._protocol, asyncio.Protocol):
            self._blocked = True
            self._protocol.pause_writing()

    def close(self) -> None:
        """Closes once everything is sent."""
        if self._closing:
            return
        self._closing = True
        self.pause_reading()
        if not self._backlog:
            self._finish(None)

    def abort(self) -> None:
        """Closes now."""
        self._closing = True
        self._finish(None)

    @property
    def is_open(self) -> bool:
        """Whether the handshake is done."""
        return self._protocol is not None

    def _on_readable(self) -> None:
        if self._protocol is None:
            self._handshake()
            return
        try:
            count = self._socket.recv_into(SCRATCH)
        except (ssl.SSLWantReadError, BlockingIOError, InterruptedError):
            return
        except ssl.SSLWantWriteError:
            self._watch_writes()
            return
        except OSError as error:
            self._finish(error)
            return
        if count:
            assert isinstance(self._protocol, asyncio.Protocol)
            self._protocol.data_received(bytes(memoryview(SCRATCH)[:count]))
        else:
            self._end()

    def _on_writable(self) -> None:
        if self._protocol is None:
            self._handshake()
            return
        while self._backlog:
            piece = self._backlog.popleft()
            sent = self._send_now(piece)
            if self._closed:
                return
            self._size -= sent
            if sent < len(piece):
                self._backlog.appendleft(piece[sent:])
                break
        if not self._backlog:
            self._loop.remove_writer(self._socket)
            self._writes = False
            if self._closing:
                self._finish(None)
                return
        if self._blocked and self._size <= self._limits[0] and isinstance(self._protocol, asyncio.Protocol):
            self._blocked = False
            self._protocol.resume_writing()

    def _handshake(self) -> None:
        try:
            self._socket.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLWantWriteError:
            self._watch_writes()
            return
        except OSError as error:
            self._finish(error)
            return
        if self._writes:
            self._loop.remove_writer(self._socket)
            self._writes = False
        self._protocol = self._choose(self._socket.selected_alpn_protocol())
        self._on_open(self)
        self._protocol.connection_made(self)

    def _send_now(self, data: memoryview) -> int:
        """How much the kernel took, in whole records."""
        sent = 0
        try:
            while sent < len(data):
                sent += self._socket.send(data[sent : sent + RECORD])
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError, BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self._finish(error)
        return sent

    def _watch_writes(self) -> None:
        if not self._writes:
            self._writes = True
            self._loop.add_writer(self._socket, self._on_writable)

    def _end(self) -> None:
        """The client will send nothing any more."""
        assert isinstance(self._protocol, asyncio.Protocol)
        if self._protocol.eof_received():
            self.pause_reading()
        else:
            self.close()

    def _finish(self, error: Exception | None) -> None:
        if self._closed:
            return
        self._closing = self._closed = True
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._backlog.clear()
        if error is None and self._protocol is not None:
            with suppress(OSError):
                # Says that this is the end; whether the client says so, too, is not waited for.
                self._socket.unwrap()
        self._loop.call_soon(self._lose, error)

    def _lose(self, error: Exception | None) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        if self._protocol is not None:
            self._protocol.connection_lost(error)
        self._on_lost(self)
