"""Raw byte calls over one channel, all with the zone's metadata."""

from __future__ import annotations

import asyncio

import grpc

from kds.transport import Metadata
from ursa.errors import Unavailable


class ClientStream:
    """One bidirectional stream of bytes; see `ByteStream`."""

    def __init__(self, call: grpc.aio.StreamStreamCall) -> None:
        self._call = call

    async def read(self) -> object:
        """See `ByteStream`."""
        return await self._call.read()

    async def write(self, message: bytes) -> None:
        """See `ByteStream`."""
        try:
            await self._call.write(message)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            # A write only learns that the call is over; why it is over is in the final status.
            await self.ended()
            raise Unavailable("the stream has ended") from None

    async def ended(self) -> None:
        """Waits for the final status; raises AioRpcError unless it is OK."""
        code = await self._call.code()
        if code is not grpc.StatusCode.OK:
            raise grpc.aio.AioRpcError(
                code,
                await self._call.initial_metadata(),
                await self._call.trailing_metadata(),
                details=await self._call.details(),
            )


class Connection:
    """The channel with what every call on it says."""

    def __init__(self, channel: grpc.aio.Channel, metadata: Metadata) -> None:
        self._channel, self._metadata = channel, metadata

    def stream(self, service: str, method: str) -> ClientStream:
        """Opens a stream."""
        return ClientStream(self._channel.stream_stream(f"/{service}/{method}")(metadata=self._metadata))

    async def call(self, service: str, method: str, request: bytes) -> bytes:
        """One request, one response."""
        answer: bytes = await self._channel.unary_unary(f"/{service}/{method}")(request, metadata=self._metadata)
        return answer
