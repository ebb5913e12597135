"""One call: a stream of HTTP/2 on one side, the handler that serves it on the other."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Mapping

from ursa.runtime.tasks import spawn
from zone_cp.dp_server.calls import CallEnded, Handler, Status
from zone_cp.dp_server.http2.protocol import Stream
from zone_cp.dp_server.rpc.headers import RESPONSE, Request, trailers
from zone_cp.dp_server.rpc.messages import MessageReader, prefix

log = logging.getLogger(__name__)

UNREAD = 64 * 1024
"""Bytes of complete messages that may wait for the handler before the caller has to."""

STEP = 16 * 1024
"""Bytes by which what is held has to change before the connection hears of it."""


class RpcCall:
    """Implements `Call` for the handler and `StreamUser` for the connection."""

    def __init__(self, stream: Stream, request: Request) -> None:
        """Serves nothing before `start`."""
        self._stream, self._request = stream, request
        self._loop = asyncio.get_running_loop()
        self._reader: MessageReader | None = None
        self._messages: deque[bytes] = deque()
        self._unread = self._uncredited = self._held = 0
        self._responded = self._complete = self._over = False
        self._message: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self.task: asyncio.Task[None] | None = None

    def start(self, handler: Handler | None) -> None:
        """Runs the handler; without one, or with headers that make no sense, the call fails."""
        try:
            if handler is None:
                raise CallEnded(Status.UNIMPLEMENTED, _unknown(self._request.path))
            self._reader = MessageReader(self._request.fields.get("grpc-encoding", "identity"))
            if (timeout := self._request.timeout) is not None:
                self._deadline = self._loop.call_later(timeout, self._expire)
        except CallEnded as error:
            self._finish(error)
            return
        self.task = spawn(_serve(handler, self), f"call of {self._request.path}")
        self.task.add_done_callback(self._done)

    @property
    def peer(self) -> str:
        """Address of the caller."""
        return self._stream.peer

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the caller sent along."""
        return self._request.fields

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while not self._messages:
            if self._complete:
                raise StopAsyncIteration
            self._message = self._loop.create_future()
            await self._message
        message = self._messages.popleft()
        self._unread -= len(message)
        self._account()
        if self._uncredited and self._unread <= UNREAD:
            credit, self._uncredited = self._uncredited, 0
            self._stream.credit(credit)
        return message

    async def write(self, message: bytes) -> None:
        """Sends a message."""
        if not self._responded:
            self._responded = True
            self._stream.respond(RESPONSE)
        if not self._stream.send(prefix(len(message)), message) and not self._over:
            self._room = self._loop.create_future()
            await self._room

    def received(self, data: bytes, size: int) -> None:
        """Bytes of messages."""
        if self._reader is None or self._over:
            return
        try:
            messages = self._reader.feed(data)
        except CallEnded as error:
            self._fail(error)
            return
        self._messages += messages
        self._unread += sum(map(len, messages))
        self._account()
        if self._unread > UNREAD:
            self._uncredited += size
        else:
            self._stream.credit(size)
        if messages:
            _wake(self._message)

    def ended(self) -> None:
        """There are no more messages."""
        if self._reader is not None and self._reader.partial and not self._over:
            self._fail(CallEnded(Status.INTERNAL, "the last message is not complete"))
            return
        self._complete = True
        _wake(self._message)

    def drained(self) -> None:
        """The message is on its way."""
        _wake(self._room)

    def lost(self) -> None:
        """The caller gave up."""
        self._close()
        if self.task is not None:
            self.task.cancel()

    def _account(self) -> None:
        """Tells the connection what is held here, because there is a limit for all of its streams together."""
        change = self._unread + (self._reader.partial if self._reader is not None else 0) - self._held
        if abs(change) >= STEP:
            self._held += change
            self._stream.hold(change)

    def _expire(self) -> None:
        self._fail(CallEnded(Status.DEADLINE_EXCEEDED, "the deadline of the call has passed"))

    def _fail(self, error: CallEnded) -> None:
        self._finish(error)
        if self.task is not None:
            self.task.cancel()

    def _done(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            self._finish(CallEnded(Status.CANCELLED, "the call was cancelled"))
            return
        error = task.exception()
        if error is not None and not isinstance(error, CallEnded):
            log.error("call failed", extra={"call": self._request.path, "peer": self.peer}, exc_info=error)
            error = CallEnded(Status.UNKNOWN, "internal error")
        self._finish(error)

    def _finish(self, error: CallEnded | None) -> None:
        if self._over:
            return
        self._close()
        if error is not None and error.leave:
            self._stream.leave()
        ending = trailers(error.status, str(error)) if error is not None else trailers(Status.OK, "")
        self._stream.finish(ending if self._responded else RESPONSE + ending)

    def _close(self) -> None:
        self._over = True
        if self._deadline is not None:
            self._deadline.cancel()
        self._stream.hold(-self._held)
        self._messages.clear()


async def _serve(handler: Handler, call: RpcCall) -> None:
    await handler(call)


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def _unknown(path: str) -> str:
    service, _, method = path.removeprefix("/").rpartition("/")
    return f"unknown method {method} for service {service}" if service else f"malformed method name: {path}"
