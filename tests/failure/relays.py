"""What can stand between a zone and its global, and go wrong without closing anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Self

import grpc

from ursa.runtime.tasks import cancel_and_wait, spawn

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Relay:
    """Connects whoever comes to a target; when it ends, so does everything that it opened."""

    def __init__(self) -> None:
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await cancel_and_wait(*self._tasks)
        for writer in self._writers:
            writer.close()

    async def connect(self) -> Connection:
        """A new connection to the target; raises OSError when there is none."""
        raise NotImplementedError

    async def forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: str) -> None:
        """Hands on what comes from one side, `up` to the target or `down` from it, until that ends."""
        raise NotImplementedError

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            there, back = await self.connect()
        except OSError:
            self._end(writer)
            return
        self._writers.add(back)
        for source, sink, direction in ((reader, back, "up"), (there, writer, "down")):
            task = spawn(self._run(source, sink, direction), f"relay {direction}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: str) -> None:
        try:
            with suppress(OSError):
                await self.forward(source, sink, direction)
        finally:
            self._end(sink)

    def _end(self, writer: asyncio.StreamWriter) -> None:
        writer.close()
        self._writers.discard(writer)


class TcpRelay(Relay):
    """Forwards bytes, until it is told to swallow those of one direction; connections made later are well again."""

    def __init__(self, target: int) -> None:
        super().__init__()
        self._target = target
        self._swallowing = {direction: asyncio.Event() for direction in ("up", "down")}
        self.connections = 0

    def swallow(self, direction: str) -> None:
        """What flows `up` to the global or `down` from it on the connections there are is lost from now on."""
        self._swallowing[direction].set()
        self._swallowing[direction] = asyncio.Event()

    async def connect(self) -> Connection:
        self.connections += 1
        return await asyncio.open_connection("127.0.0.1", self._target)

    async def forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: str) -> None:
        swallowing = self._swallowing[direction]
        while data := await source.read(65536):
            if not swallowing.is_set():
                await give(sink, data)


class NarrowRelay(Relay):
    """Forwards no more than `rate` bytes a second each way."""

    def __init__(self, target: int, rate: float) -> None:
        super().__init__()
        self._target, self._rate = target, rate

    async def connect(self) -> Connection:
        return await asyncio.open_connection("127.0.0.1", self._target)

    async def forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: str) -> None:
        while data := await source.read(2048):
            await asyncio.sleep(len(data) / self._rate)
            await give(sink, data)


class SlowRelay(Relay):
    """Forwards bytes to a store after `delay` seconds, which may be changed at any time; their order stays."""

    def __init__(self, target: int) -> None:
        super().__init__()
        self._target = target
        self.delay = 0.0

    async def connect(self) -> Connection:
        return await asyncio.open_connection("127.0.0.1", self._target)

    async def forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: str) -> None:
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        taking = spawn(self._take(source, waiting), f"slow relay {direction}")
        try:
            while True:
                due, data = await waiting.get()
                await asyncio.sleep(due - asyncio.get_running_loop().time())
                if not data:
                    break
                await give(sink, data)
        finally:
            await cancel_and_wait(taking)

    async def _take(self, source: asyncio.StreamReader, waiting: asyncio.Queue[tuple[float, bytes]]) -> None:
        data = b"-"
        while data:
            data = b""
            with suppress(OSError):
                data = await source.read(65536)
            waiting.put_nowait((asyncio.get_running_loop().time() + self.delay, data))


async def give(sink: asyncio.StreamWriter, data: bytes) -> None:
    """Sends data, no faster than it is taken."""
    sink.write(data)
    await sink.drain()


class GrpcRelay:
    """Forwards every stream by itself, and can freeze one: its connection and all other streams stay well."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.port = 0
        self.opened: list[str] = []
        self._frozen: dict[str, asyncio.Event] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[GrpcRelay]:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((_Everything(self._forward),))
        self.port = server.add_insecure_port("127.0.0.1:0")
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{self._target}")
        await server.start()
        try:
            yield self
        finally:
            await server.stop(0)
            await self._channel.close()

    def freeze(self, method: str) -> None:
        """Nothing passes through the stream of this method any more; one that is opened later is well."""
        self._frozen.pop(method).set()

    async def _forward(self, method: str, context: grpc.aio.ServicerContext) -> None:
        name = method.rpartition("/")[2]
        self.opened.append(name)
        frozen = self._frozen[name] = asyncio.Event()
        metadata = [(k, v) for k, v in context.invocation_metadata() or () if not k.startswith(("grpc-", "user-"))]
        call = self._channel.stream_stream(method)(metadata=metadata)

        async def pump(read: Callable[[], Awaitable[object]], write: Callable[[bytes], Awaitable[None]]) -> None:
            while isinstance(message := await read(), bytes):
                if frozen.is_set():
                    await asyncio.Event().wait()
                await write(message)

        async def ask() -> None:
            await pump(context.read, call.write)
            await call.done_writing()

        asking = spawn(ask(), "up")
        try:
            # What each end says it is able to is in the heads.
            await context.send_initial_metadata([(k, v) for k, v in await call.initial_metadata() or ()])
            await pump(call.read, context.write)
        finally:
            await cancel_and_wait(asking)
            call.cancel()


class _Everything(grpc.GenericRpcHandler):
    """A handler for every method, on raw bytes."""

    def __init__(self, forward: Callable[[str, grpc.aio.ServicerContext], Awaitable[None]]) -> None:
        self._forward = forward

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        method = details.method

        async def handle(_: object, context: grpc.aio.ServicerContext) -> None:
            await self._forward(method, context)

        return grpc.stream_stream_rpc_method_handler(handle)
