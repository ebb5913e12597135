"""Raw byte calls over one channel, all with the zone's metadata; the end of a call is an error with its cause."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from kds.transport import Metadata
from ursa.errors import Unavailable


class CallEnded(Unavailable):
    """A call is over although it was needed."""

    def __init__(self, code: grpc.StatusCode, details: str | None) -> None:
        self.code = code
        super().__init__(f"{code.name}: {details or 'no details'}")


class ClientStream:
    """One bidirectional stream of bytes; see `ByteStream`."""

    def __init__(self, call: grpc.aio.StreamStreamCall) -> None:
        self._call = call

    async def read(self) -> object:
        """See `ByteStream`; raises CallEnded."""
        with _failures():
            return await self._call.read()

    async def write(self, message: bytes) -> None:
        """See `ByteStream`; raises CallEnded."""
        try:
            with _failures():
                await self._call.write(message)
        except (CallEnded, asyncio.InvalidStateError):
            # A write only learns that the call is over; why it is over is in the final status.
            await self.ended()

    async def ended(self) -> None:
        """Waits for the final status and raises it as CallEnded: no stream of KDS is meant to end."""
        raise CallEnded(await self._call.code(), await self._call.details())


class Connection:
    """The channel with what every call on it says."""

    def __init__(self, channel: grpc.aio.Channel, metadata: Metadata) -> None:
        self._channel, self._metadata = channel, metadata

    def stream(self, service: str, method: str) -> ClientStream:
        """Opens a stream."""
        return ClientStream(self._channel.stream_stream(f"/{service}/{method}")(metadata=self._metadata))

    async def call(self, service: str, method: str, request: bytes) -> bytes:
        """One request, one response; raises CallEnded."""
        with _failures():
            answer: bytes = await self._channel.unary_unary(f"/{service}/{method}")(request, metadata=self._metadata)
        return answer


@contextmanager
def _failures() -> Iterator[None]:
    """Tells a call that the *peer* cancelled from a task that is being cancelled: gRPC raises the same for both."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise CallEnded(error.code(), error.details()) from None
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise CallEnded(grpc.StatusCode.CANCELLED, "the global cancelled the call") from None
