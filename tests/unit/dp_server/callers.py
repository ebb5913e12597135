"""A service to be called by real gRPC clients, and a client that is nothing but frames over TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import h2.events
from aiohttp import web
from h2.config import H2Configuration
from h2.connection import H2Connection

from ursa.runtime.clock import SystemClock
from ursa.runtime.tls import ReloadedPair, ensure_self_signed
from zone_cp.dp_server.calls import Call, CallEnded, Handler, Status
from zone_cp.dp_server.server import DpServer, DpServerSettings

SERVICE = "/test.Service/"


class Echo:
    """Handlers for whatever a test needs."""

    def __init__(self) -> None:
        self.cancelled = asyncio.Event()
        self.entered = asyncio.Event()
        self.closing = asyncio.Event()
        self.written = 0

    def methods(self) -> Mapping[str, Handler]:
        names = ("echo", "refuse", "crash", "metadata", "wait", "pour", "ignore", "sizes")
        return {SERVICE + name: getattr(self, name) for name in names}

    def close(self) -> None:
        self.closing.set()

    async def echo(self, call: Call) -> None:
        async for message in call:
            await call.write(message)

    async def sizes(self, call: Call) -> None:
        async for message in call:
            await call.write(str(len(message)).encode())

    async def refuse(self, call: Call) -> None:
        async for message in call:
            raise CallEnded(Status.UNKNOWN, message.decode())

    async def crash(self, call: Call) -> None:
        raise ValueError("a secret")

    async def metadata(self, call: Call) -> None:
        await call.write(f"{call.metadata.get('authorization')} {call.peer}".encode())

    async def wait(self, call: Call) -> None:
        self.entered.set()
        try:
            await self.closing.wait()
            raise CallEnded(Status.UNAVAILABLE, "shutting down", leave=True)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def pour(self, call: Call) -> None:
        """Writes as much as the first message says, in messages of 100 kB."""
        async for message in call:
            for _ in range(int(message) // 100_000):
                await call.write(bytes(100_000))
                self.written += 1
            return

    async def ignore(self, call: Call) -> None:
        """Reads nothing until it is told."""
        self.entered.set()
        await self.closing.wait()
        count = 0
        async for _ in call:
            count += 1
        await call.write(str(count).encode())


class Server:
    """A dataplane server with that service."""

    def __init__(self, folder: Path, settings: DpServerSettings | None = None) -> None:
        rules = (settings or DpServerSettings()).tls
        self.files = ensure_self_signed(folder, SystemClock(), only_rsa=rules.needs_rsa)
        self.echo = Echo()
        http = web.Application(client_max_size=100_000)
        http.router.add_route("*", "/{tail:.*}", self._answer)
        settings = replace(settings or DpServerSettings(), host="127.0.0.1", port=0)
        self.server = DpServer(settings, ReloadedPair(self.files), streams=[self.echo], http=http)
        self.port = 0

    async def _answer(self, request: web.Request) -> web.Response:
        text = f"{request.method} {request.path_qs} {request.host} {request.secure} {request.remote} "
        return web.Response(text=text + await request.text(), status=201, headers={"x-kind": "plain"})

    def channel(self, *options: tuple[str, object], compression: grpc.Compression | None = None) -> grpc.aio.Channel:
        credentials = grpc.ssl_channel_credentials(self.files.cert.read_bytes())
        options = (*options, ("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1))
        return grpc.aio.secure_channel(f"localhost:{self.port}", credentials, options, compression)

    def blocking_channel(self) -> grpc.Channel:
        credentials = grpc.ssl_channel_credentials(self.files.cert.read_bytes())
        return grpc.secure_channel(f"localhost:{self.port}", credentials)


@asynccontextmanager
async def serving(folder: Path, settings: DpServerSettings | None = None) -> AsyncIterator[Server]:
    server = Server(folder, settings)
    server.port = await server.server.start()
    try:
        yield server
    finally:
        await server.server.close(1)


class RawClient:
    """HTTP/2 by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.seen: list[h2.events.Event] = []

    def request(self, *headers: tuple[str, str], body: bytes = b"", stream: int = 1, end: bool = True) -> None:
        self.h2.send_headers(stream, [(":scheme", "https"), (":authority", "localhost"), *headers], end_stream=False)
        self.h2.send_data(stream, body, end_stream=end)

    async def until(self, kind: type[h2.events.Event], stream: int = 0) -> h2.events.Event:
        """Exchanges bytes until something was seen."""
        async with asyncio.timeout(10):
            while True:
                for event in self.seen:
                    if isinstance(event, kind) and (not stream or getattr(event, "stream_id", 0) == stream):
                        return event
                await self.step()

    async def step(self) -> None:
        self.writer.write(self.h2.data_to_send())
        data = await self.reader.read(65_536)
        if not data:
            raise EOFError
        self.seen += self.h2.receive_data(data)
        self.writer.write(self.h2.data_to_send())

    def body(self, stream: int = 1) -> bytes:
        events = [e for e in self.seen if isinstance(e, h2.events.DataReceived) and e.stream_id == stream]
        return b"".join(event.data for event in events)

    def headers(self, stream: int = 1) -> dict[str, str]:
        kinds = (h2.events.ResponseReceived, h2.events.TrailersReceived)
        return dict(h for e in self.seen if isinstance(e, kinds) and e.stream_id == stream for h in e.headers)


@asynccontextmanager
async def raw_client(server: Server, protocol: str = "h2") -> AsyncIterator[RawClient]:
    context = ssl.create_default_context(cafile=str(server.files.cert))
    context.set_alpn_protocols([protocol])
    reader, writer = await asyncio.open_connection("localhost", server.port, ssl=context)
    try:
        yield RawClient(reader, writer)
    finally:
        writer.transport.abort()
