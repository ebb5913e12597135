"""One stream of byte messages, as both ends of a gRPC call see it."""

from __future__ import annotations

from typing import Protocol

import grpc


class ByteStream(Protocol):
    """What `grpc.aio` calls and server contexts have in common."""

    async def read(self) -> object:
        """The next message, or `grpc.aio.EOF`."""

    async def write(self, message: bytes) -> None:
        """Sends one message; waits while the peer cannot take more."""


async def read_message(stream: ByteStream) -> bytes | None:
    """The next message, None at the end of the stream."""
    message = await stream.read()
    return message if isinstance(message, bytes) and message is not grpc.aio.EOF else None
