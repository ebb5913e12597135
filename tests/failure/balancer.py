"""One address for several replicas, as a load balancer or a name with several addresses is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from ursa.runtime.tasks import cancel_and_wait, spawn


class Balancer:
    """Connects everybody to one of the targets in turn, to another one when that does not answer."""

    def __init__(self, targets: Sequence[int] = ()) -> None:
        self._targets = list(targets)
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.connections: dict[int, int] = dict.fromkeys(targets, 0)
        """Connections so far by target."""

    async def __aenter__(self) -> Balancer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await cancel_and_wait(*self._tasks)

    def add(self, target: int) -> None:
        """One more, for targets that have to know the address before they start."""
        self._targets.append(target)
        self.connections[target] = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in self._targets:
            self._targets.append(target := self._targets.pop(0))
            with suppress(OSError):
                there, back = await asyncio.open_connection("127.0.0.1", target)
                break
        else:
            writer.close()
            return
        self.connections[target] += 1
        for source, sink in ((reader, back), (there, writer)):
            task = spawn(_pump(source, sink), "balancer")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        try:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        finally:
            sink.close()
