"""Raw byte calls over one channel, all with the zone's metadata; the end of a call is an error with its cause."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

import grpc

from kds.failures import readable
from kds.transport import ELSEWHERE, FEATURES, Metadata
from ursa.errors import Unavailable
from ursa.runtime.tasks import spawn

FAREWELL = 0.5
"""Seconds for a call to end once it is cancelled. No setting: gRPC ends it in its own process, without the peer."""

_LEFT: set[asyncio.Task[object]] = set()
"""Operations that are ending. Nobody else holds them, and asyncio does not: they would be destroyed while they wait."""


class CallEnded(Unavailable):
    """A call is over although it was needed."""

    def __init__(self, code: grpc.StatusCode, details: str | None, trailing: Iterable[tuple[str, object]] = ()) -> None:
        self.code = code
        self.asks_to_move = any(key == ELSEWHERE for key, _ in trailing)
        """Whether the peer wants to be left for another one."""
        super().__init__(f"{code.name}: {readable(details or 'no details')}")


class ClientStream:
    """One bidirectional stream of bytes; see `ByteStream`.

    gRPC loses a cancellation that comes while a call is being set up, and raises CancelledError, too, when the *peer*
    cancels. So its operations run in tasks of their own, which are not cancelled with the caller but with the call.
    """

    def __init__(self, call: grpc.aio.StreamStreamCall) -> None:
        self._call = call

    async def read(self) -> object:
        """See `ByteStream`; raises CallEnded."""
        return await self._run(self._call.read())

    async def write(self, message: bytes) -> None:
        """See `ByteStream`; raises CallEnded."""
        try:
            await self._run(self._call.write(message))
        except (CallEnded, asyncio.InvalidStateError):
            # A write only learns that the call is over; why it is over is in the final status.
            await self.ended()

    async def features(self) -> frozenset[str]:
        """What the peer says it is able to, before anything else; none when it says nothing."""
        pairs = await self._call.initial_metadata()
        return frozenset(str(value) for key, value in pairs or () if key == FEATURES)

    async def ended(self) -> None:
        """Waits for the final status and raises it as CallEnded: no stream of KDS is meant to end."""
        trailing = await self._call.trailing_metadata()
        raise CallEnded(await self._call.code(), await self._call.details(), trailing or ())

    async def _run(self, operation: Coroutine[Any, Any, object]) -> object:
        task = spawn(operation, "kds: stream operation")
        try:
            return await asyncio.shield(task)
        except grpc.aio.AioRpcError as error:
            raise CallEnded(error.code(), error.details(), error.trailing_metadata() or ()) from None
        except asyncio.CancelledError:
            if task.cancelled():
                raise CallEnded(grpc.StatusCode.CANCELLED, "the global cancelled the call") from None
            await self._leave(task)
            raise

    async def _leave(self, task: asyncio.Task[object]) -> None:
        """Ends an operation that nobody waits for any more, with its call."""
        _LEFT.add(task)
        task.add_done_callback(_disregard)
        self._call.cancel()
        try:
            await asyncio.wait((task,), timeout=FAREWELL)
        finally:
            task.cancel()


def _disregard(task: asyncio.Task[object]) -> None:
    """Takes the outcome of an operation that nobody waits for any more, lest asyncio report it as overlooked."""
    _LEFT.discard(task)
    if not task.cancelled():
        task.exception()


class Connection:
    """The channel with what every call on it says."""

    def __init__(self, channel: grpc.aio.Channel, metadata: Metadata, *, probe_timeout: float) -> None:
        """Args: `probe_timeout` are the seconds for a call that only shows whether the connection works."""
        self._channel, self._metadata, self._probe_timeout = channel, metadata, probe_timeout

    def stream(self, service: str, method: str) -> ClientStream:
        """Opens a stream."""
        call = self._channel.stream_stream(f"/{service}/{method}")(metadata=self._metadata)
        return ClientStream(call)

    async def works(self, service: str, method: str) -> bool:
        """Whether a call makes it there and back. That other streams hear something proves one direction only."""
        call = self._channel.unary_unary(f"/{service}/{method}")
        try:
            await call(b"", metadata=self._metadata, timeout=self._probe_timeout)
        except grpc.aio.AioRpcError as error:
            return error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
        return True

    async def call(self, service: str, method: str, request: bytes) -> bytes:
        """One request, one response; raises CallEnded."""
        try:
            answer: bytes = await self._channel.unary_unary(f"/{service}/{method}")(request, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            raise CallEnded(error.code(), error.details()) from None
        return answer
