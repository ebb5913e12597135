"""Requests that are not gRPC on an HTTP/2 connection: aiohttp answers them as if they had come over HTTP/1.1.

Few clients insist on HTTP/2 for these, and what they ask and get is small. So each request is handed over as a
connection of its own that exists only in memory, and its answer is sent when it is complete.
"""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from typing import cast

from zone_cp.dp_server.http2.events import Headers
from zone_cp.dp_server.http2.protocol import Stream
from zone_cp.dp_server.rpc.headers import Request

LARGEST = 2 * 1024 * 1024
"""Bytes of a request's body; aiohttp's own limit, which it answers with an error, is below."""

OF_CONNECTIONS = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})
"""Fields that are about the connection; each of the two connections has its own."""

BREAKS = frozenset("\r\n\0")


class PlainRequest(asyncio.Transport):
    """Is the connection for aiohttp, and serves the stream."""

    def __init__(self, stream: Stream, request: Request, make_handler: Callable[[], asyncio.Protocol]) -> None:
        """Hands the request to a handler of aiohttp's once it is complete."""
        super().__init__({name: stream.about(name) for name in ("peername", "sockname", "sslcontext")})
        self._stream, self._request, self._make_handler = stream, request, make_handler
        self._handler: asyncio.Protocol | None = None
        self._body, self._answer = bytearray(), bytearray()
        self._closing = self._over = False

    def received(self, data: bytes, size: int) -> None:
        """A part of the body."""
        if self._over:
            return
        self._body += data
        if len(self._body) > LARGEST:
            self._refuse(413)
        else:
            self._stream.credit(size)

    def ended(self) -> None:
        """The request is complete."""
        if self._over:
            return
        head = self._head()
        if head is None:
            self._refuse(400)
            return
        self._handler = self._make_handler()
        self._handler.connection_made(self)
        self._handler.data_received(head + self._body)

    def drained(self) -> None:
        """The answer is sent as a whole, so nobody waits."""

    def lost(self) -> None:
        """The client gave up."""
        self._over = True
        self.close()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Takes a part of the answer."""
        self._answer += data

    def is_closing(self) -> bool:
        """Whether aiohttp is done."""
        return self._closing

    def close(self) -> None:
        """The answer is complete."""
        if not self._closing:
            self._closing = True
            asyncio.get_running_loop().call_soon(self._finish)

    def abort(self) -> None:
        """The same: nothing waits here."""
        self.close()

    def pause_reading(self) -> None:
        """Everything has been read."""

    def resume_reading(self) -> None:
        """Everything has been read."""

    def _head(self) -> bytes | None:
        """The request in HTTP/1.1; None if something in it would be taken for something else there."""
        request = self._request
        lines = [f"{request.method} {request.path} HTTP/1.1", f"host: {request.authority}", "connection: close"]
        lines += [f"{name}: {value}" for name, value in request.fields.items() if name not in OF_CONNECTIONS]
        lines.append(f"content-length: {len(self._body)}")
        if any(BREAKS.intersection(line) for line in lines) or " " in request.method + request.path:
            return None
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _finish(self) -> None:
        if self._handler is not None:
            self._handler.connection_lost(None)
        if self._over:
            return
        self._over = True
        response = HTTPResponse(cast(socket.socket, _Recorded(bytes(self._answer))), method=self._request.method)
        try:
            response.begin()
            body = response.read()
        except HTTPException:
            self._respond(502, [], b"")
            return
        fields = [(n.lower().encode(), v.encode("latin-1")) for n, v in response.getheaders()]
        self._respond(response.status, [f for f in fields if f[0].decode() not in OF_CONNECTIONS], body)

    def _refuse(self, status: int) -> None:
        self._over = True
        self._respond(status, [], b"")

    def _respond(self, status: int, fields: Headers, body: bytes) -> None:
        self._stream.respond([(b":status", b"%d" % status), *fields, (b"content-length", b"%d" % len(body))])
        if body:
            self._stream.send(body)
        self._stream.finish()


class _Recorded:
    """What `http.client` takes for a socket: an answer that is complete."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        """The answer as a file."""
        return io.BytesIO(self._data)
