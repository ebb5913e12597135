"""One address for several replicas, as a load balancer or a name with several addresses is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from tests.failure.relays import Connection, Relay, give


class Balancer(Relay):
    """Connects everybody to one of the targets in turn, to another one when that does not answer."""

    def __init__(self, targets: Sequence[int] = ()) -> None:
        super().__init__()
        self._targets = list(targets)
        self.connections: dict[int, int] = dict.fromkeys(targets, 0)
        """Connections so far by target."""

    def add(self, target: int) -> None:
        """One more, for targets that have to know the address before they start."""
        self._targets.append(target)
        self.connections[target] = 0

    async def connect(self) -> Connection:
        for _ in self._targets:
            self._targets.append(target := self._targets.pop(0))
            with suppress(OSError):
                found = await asyncio.open_connection("127.0.0.1", target)
                self.connections[target] += 1
                return found
        raise ConnectionRefusedError("no target answers")

    async def forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: str) -> None:
        while data := await source.read(65536):
            await give(sink, data)
