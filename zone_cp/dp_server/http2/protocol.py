"""HTTP/2 on a transport of asyncio: drives a connection and hands its streams out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol, TypeAlias

from zone_cp.dp_server.http2.connection import Connection
from zone_cp.dp_server.http2.events import (
    Broken,
    Ended,
    Event,
    Headers,
    PeerLeaves,
    Ponged,
    Received,
    Requested,
    Reset,
)
from zone_cp.dp_server.http2.frames import Code

log = logging.getLogger(__name__)


class StreamUser(Protocol):
    """Who serves a stream."""

    def received(self, data: bytes, size: int) -> None:
        """A part of the request's body; `size` is to be given back by `Stream.credit` when there is room for more."""

    def ended(self) -> None:
        """The request is complete."""

    def drained(self) -> None:
        """Everything that was sent is on its way."""

    def lost(self) -> None:
        """The stream is gone; nothing that is sent reaches anybody."""


Accept: TypeAlias = Callable[["Stream", Headers], StreamUser]
"""Decides who serves a new stream."""


class Stream:
    """A stream, for who serves it. All methods may be called at any time; on a stream that is over they do nothing."""

    __slots__ = ("_connection", "_id", "_protocol", "over")

    def __init__(self, protocol: Http2Protocol, connection: Connection, number: int) -> None:
        self._protocol, self._connection, self._id = protocol, connection, number
        self.over = False

    @property
    def peer(self) -> str:
        """Address of the client, in words."""
        return self._protocol.peer

    def about(self, name: str) -> object:
        """What the transport knows of the connection, in the words of `asyncio.BaseTransport.get_extra_info`."""
        return self._protocol.about(name)

    def respond(self, headers: Headers) -> None:
        """Sends headers."""
        self._connection.respond(self._id, headers)
        self._protocol.flush_soon()

    def send(self, *pieces: bytes) -> bool:
        """Sends data; False when some has to wait until `StreamUser.drained`."""
        sent = self._connection.send(self._id, *pieces)
        self._protocol.flush_soon()
        return sent

    def finish(self, headers: Headers | None = None) -> None:
        """Ends the response."""
        self.over = True
        self._protocol.forget(self._id)
        self._connection.finish(self._id, headers)
        self._protocol.flush_soon()

    def reset(self, code: Code) -> None:
        """Gives the stream up."""
        self.over = True
        self._protocol.forget(self._id)
        self._connection.reset(self._id, code)
        self._protocol.flush_soon()

    def credit(self, size: int) -> None:
        """There is room for so much more of the request."""
        self._connection.credit(self._id, size)
        if self._connection.has_output:
            self._protocol.flush_soon()

    def hold(self, size: int) -> None:
        """So many bytes more wait for being read; fewer when negative."""
        self._connection.hold(size)
        if self._connection.has_output:
            self._protocol.flush_soon()

    def leave(self) -> None:
        """The client should open its next stream on another connection."""
        self._protocol.leave()


class Http2Protocol(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, accept: Accept, on_lost: Callable[[Http2Protocol], None]) -> None:
        self._accept, self._on_lost = accept, on_lost
        self._loop = asyncio.get_running_loop()
        self._connection = Connection()
        self._users: dict[int, StreamUser] = {}
        self._transport: asyncio.Transport | None = None
        self._paused = self._flushes = self._ends = False
        self._heard, self._asked = True, False
        self.peer = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greets."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        address = transport.get_extra_info("peername")
        self.peer = _name(address) if address else ""
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Takes frames, or parts of them."""
        for event in self._connection.receive(data, self._loop.time()):
            self._handle(event)
        self._flush()

    def pause_writing(self) -> None:
        """The client is slow: what is to be sent waits on its stream."""
        self._paused = True

    def resume_writing(self) -> None:
        """The client has read."""
        self._paused = False
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """All streams are gone."""
        self._transport = None
        users, self._users = self._users, {}
        for user in users.values():
            user.lost()
        self._on_lost(self)

    def about(self, name: str) -> object:
        """What the transport knows of the connection; None when it is closed."""
        return self._transport.get_extra_info(name) if self._transport is not None else None

    def look(self) -> None:
        """Sees after a while whether the client is still there: to be called once per interval of keep-alives."""
        if self._transport is None:
            return
        if self._asked:
            log.debug("client does not answer pings", extra={"peer": self.peer})
            self._transport.abort()
        elif not self._heard:
            self._asked = True
            self._connection.ping()
            self._flush()
        self._heard = False

    def leave(self) -> None:
        """Serves the open streams to their end and no other."""
        self._connection.go_away()
        self.flush_soon()

    def abort(self) -> None:
        """Ends at once."""
        if self._transport is not None:
            self._transport.abort()

    def forget(self, number: int) -> None:
        """Nobody is interested in a stream any more."""
        self._users.pop(number, None)

    def flush_soon(self) -> None:
        """Writes in the next round of the loop what all streams have to say until then: one record of TLS for all."""
        if not self._flushes:
            self._flushes = True
            self._loop.call_soon(self._flush)

    def _handle(self, event: Event) -> None:
        self._heard = self._heard or not isinstance(event, Ponged)
        if isinstance(event, Received):
            if (user := self._users.get(event.stream)) is not None:
                user.received(event.data, event.size)
        elif isinstance(event, Requested):
            stream = Stream(self, self._connection, event.stream)
            user = self._accept(stream, event.headers)
            if not stream.over:
                self._users[event.stream] = user
        elif isinstance(event, Ended):
            if (user := self._users.get(event.stream)) is not None:
                user.ended()
        elif isinstance(event, Reset):
            if (user := self._users.pop(event.stream, None)) is not None:
                user.lost()
        elif isinstance(event, Ponged):
            self._asked = False
        elif isinstance(event, PeerLeaves):
            self._connection.go_away()
        elif isinstance(event, Broken):
            log.debug("connection of a client ends", extra={"peer": self.peer, "error": event.reason})
            self._ends = True

    def _flush(self) -> None:
        self._flushes = False
        if self._transport is None:
            return
        while not self._paused and (data := self._connection.take()):
            self._transport.write(data)
        for number in self._connection.drained():
            if (user := self._users.get(number)) is not None:
                user.drained()
        if self._ends or (self._connection.leaving and not self._connection.streams):
            self._transport.close()


def _name(address: tuple[str, int]) -> str:
    """An address as gRPC writes it, so that all logs write it alike."""
    host, port = address[0].removeprefix("::ffff:"), address[1]
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"
