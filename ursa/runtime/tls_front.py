"""Speaks TLS for a server behind a Unix socket.

gRPC's own TLS cannot be told which versions it takes, and which suites only for the whole process at once. Where a
server has such rules, it listens without TLS at a socket that nobody else can reach, and this stands before it.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
import ssl
import tempfile
from contextlib import suppress
from pathlib import Path

from ursa.runtime.listening import BACKLOG
from ursa.runtime.tasks import cancel_and_wait, spawn

log = logging.getLogger(__name__)

PORTION = 64 << 10
"""Bytes taken from one side before they are given to the other."""

HANDSHAKE = 10.0
"""Seconds for a client to finish its handshake."""


class TlsFront:
    """One listening address; each connection is handed on as it comes, in both directions."""

    def __init__(self, context: ssl.SSLContext) -> None:
        """Args: `context` has certificate and rules."""
        self._context = context
        # A directory of our own, so that nobody else gets at the socket.
        self._folder = Path(tempfile.mkdtemp(prefix="ursa-tls-"))
        self._server: asyncio.Server | None = None
        self._running: set[asyncio.Task[None]] = set()

    @property
    def behind(self) -> str:
        """Where the server behind has to listen, as gRPC writes it."""
        return f"unix:{self._socket}"

    async def start(self, host: str, port: int) -> int:
        """Listens, once the server behind does, and returns the port; raises OSError when it is taken."""
        self._server = await asyncio.start_server(
            self._accept, host, port, backlog=BACKLOG, ssl=self._context, ssl_handshake_timeout=HANDSHAKE
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Ends all connections."""
        if self._server is not None:
            self._server.close()
        await cancel_and_wait(*self._running)
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    @property
    def _socket(self) -> Path:
        return self._folder / "server"

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = spawn(self._serve(reader, writer), "tls connection")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port, *_ = writer.get_extra_info("peername")
        # The name of our end is what the server behind takes for the address of the client.
        name = self._folder / f"{host}:{port}"
        try:
            inner_reader, inner_writer = await self._connect(name)
        except OSError as error:
            log.warning("connection cannot be handed on", extra={"peer": f"{host}:{port}", "error": str(error)})
            writer.close()
            return
        ways = [spawn(_pass(reader, inner_writer), "tls in"), spawn(_pass(inner_reader, writer), "tls out")]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_and_wait(*ways)
            for one in (writer, inner_writer):
                one.close()
            name.unlink(missing_ok=True)

    async def _connect(self, name: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        end = socket.socket(socket.AF_UNIX)
        try:
            end.setblocking(False)
            end.bind(str(name))
            await asyncio.get_running_loop().sock_connect(end, str(self._socket))
        except OSError:
            end.close()
            raise
        return await asyncio.open_unix_connection(sock=end)


async def _pass(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Hands on what comes until one of the two ends."""
    with suppress(OSError):
        while data := await source.read(PORTION):
            sink.write(data)
            await sink.drain()
