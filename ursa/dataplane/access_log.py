"""Carries access log lines from Envoy's pipe to the TCP collectors they name.

Envoy writes one line per request into a named pipe: `{"address": "host:port", "message": …}` or `host:port;message`.
Each collector gets one connection, opened when the first line for it comes. A collector that cannot be reached loses
lines rather than slowing the proxy down.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from pathlib import Path

import orjson

log = logging.getLogger(__name__)

DIAL_TIMEOUT = 5.0
"""Seconds to wait for a collector (`spec/dataplane.md` §2.6)."""

PIPE_MODE = 0o666


def make_pipe(path: Path) -> None:
    """Creates the pipe before Envoy starts; otherwise Envoy would create a file there that grows for ever."""
    with suppress(FileNotFoundError):
        path.unlink()
    os.mkfifo(path, PIPE_MODE)
    path.chmod(PIPE_MODE)


class AccessLogStreamer:
    """Reads the pipe until it is cancelled."""

    def __init__(self, pipe: Path) -> None:
        self._pipe = pipe
        self._collectors: dict[str, asyncio.StreamWriter] = {}
        self._unreachable: set[str] = set()

    async def run(self) -> None:
        """Forwards lines for ever."""
        # read-write keeps the pipe open while Envoy restarts, so that reading does not end
        descriptor = os.open(self._pipe, os.O_RDWR | os.O_NONBLOCK)
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
        )
        try:
            while line := await reader.readline():
                await self._forward(line)
        finally:
            transport.close()
            for writer in self._collectors.values():
                writer.close()

    async def _forward(self, line: bytes) -> None:
        address, message = split_line(line)
        if not address:
            return
        writer = self._collectors.get(address) or await self._dial(address)
        if writer is None:
            return
        try:
            writer.write(message)
            await writer.drain()
        except OSError:
            self._collectors.pop(address, None)

    async def _dial(self, address: str) -> asyncio.StreamWriter | None:
        host, _, port = address.rpartition(":")
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(host.strip("[]"), int(port)), DIAL_TIMEOUT)
        except (OSError, ValueError, TimeoutError) as error:
            if address not in self._unreachable:
                self._unreachable.add(address)
                log.warning(
                    "access log collector not reachable, dropping lines", extra={"address": address, "error": error}
                )
            return None
        self._unreachable.discard(address)
        self._collectors[address] = writer
        return writer


def split_line(line: bytes) -> tuple[str, bytes]:
    """Address and message (with line end) of one line; the address is empty when the line makes no sense."""
    if line.startswith(b"{"):
        try:
            document = orjson.loads(line)
            message = document["message"]
            data = message.encode() if isinstance(message, str) else orjson.dumps(message)
            return str(document["address"]), data.rstrip(b"\n") + b"\n"
        except (ValueError, KeyError, TypeError):
            return "", b""
    address, separator, message = line.partition(b";")
    return (address.decode(errors="replace"), message) if separator else ("", b"")
