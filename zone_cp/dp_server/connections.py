"""Connections of proxies, by the names under which the gRPC server behind the front knows them.

A proxy whose stream ends opens the next one on the same connection, and so comes back to where it was. Only when the
connection ends it connects anew, and may find another instance.
"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from zone_cp.dp_server.splice import Splice, splice

FLUSH = 0.05
"""Seconds for what was written last, such as why a stream ended, to pass through."""


class Connections:
    """All connections to the gRPC server."""

    def __init__(self) -> None:
        self._open: dict[str, Splice] = {}
        self._made = 0

    async def join(self, client: socket.socket, path: Path) -> None:
        """Joins an accepted connection with the server that listens at a Unix socket.

        Raises:
            OSError: the server cannot be reached; `client` is left to the caller.
        """
        self._made += 1
        name = path.with_name(f"c{self._made}")
        peer = f"unix:{name}"
        self._open[peer] = await splice(client, str(path), name, lambda _: self._open.pop(peer, None))

    def hang_up(self, peer: str) -> None:
        """Ends the connection that the gRPC server calls `peer`, as soon as what was written to it is through."""
        spliced = self._open.get(peer)
        if spliced is not None:
            asyncio.get_running_loop().call_later(FLUSH, spliced.close)

    def close(self) -> None:
        """Ends all."""
        for spliced in list(self._open.values()):
            spliced.close()
