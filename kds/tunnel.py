"""The global's end of the admin streams: asks a question of a proxy through the zone that has it, and waits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import grpc

from kds.admin_calls import CALLS, MORE, PARTS, AdminQuery, decode_answer, encode_query
from kds.byte_stream import ByteStream, read_message
from ursa.errors import Unavailable
from ursa.runtime.clock import Clock
from ursa.runtime.tasks import cancel_and_wait, spawn


@dataclass(slots=True)
class _Waiting:
    """Somebody who waits for an answer, and what has come of it."""

    answer: asyncio.Future[bytes]
    parts: list[bytes] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def settle(self, call: str, result: bytes, error: str) -> None:
        """The last part came, or an error instead."""
        if error:
            self.answer.set_exception(Unavailable(f"could not send {CALLS[call].request.__name__}: {error}"))
        else:
            self.answer.set_result(b"".join((*self.parts, result)))

    def take(self, part: bytes) -> None:
        """A part came that is not the last one."""
        self.parts.append(part)
        self.news.set()


@dataclass(slots=True)
class _Open:
    """One stream of one zone; gRPC allows one write at a time."""

    stream: ByteStream
    waiting: dict[str, _Waiting] = field(default_factory=dict)
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)


class AdminTunnel:
    """All admin streams that zones have opened here."""

    def __init__(self, clock: Clock, *, timeout: float = 10.0) -> None:
        """Args: `timeout` are the seconds for a zone to answer, and for every further part of its answer."""
        self._clock, self._timeout = clock, timeout
        self._open: dict[tuple[str, str], _Open] = {}

    async def serve(self, zone: str, call: str, stream: ByteStream) -> None:
        """Keeps a stream until the zone ends it; a newer one of the same zone takes over."""
        opened = self._open[zone, call] = _Open(stream)
        try:
            while (message := await read_message(stream)) is not None:
                request_id, result, error = decode_answer(call, message)
                waiting = opened.waiting.get(request_id.removesuffix(MORE))
                # Nobody waits any more for some answers; that is no reason to end the stream.
                if waiting is None or waiting.answer.done():
                    continue
                if request_id.endswith(MORE):
                    waiting.take(result)
                else:
                    waiting.settle(call, result, error)
        finally:
            if self._open.get((zone, call)) is opened:
                del self._open[zone, call]
            for waiting in opened.waiting.values():
                if not waiting.answer.done():
                    waiting.answer.set_exception(Unavailable(_offline(call)))

    def streams(self, zone: str) -> frozenset[str]:
        """The questions that can be asked of a zone now."""
        return frozenset(call for name, call in self._open if name == zone)

    async def ask(self, zone: str, query: AdminQuery) -> bytes:
        """The answer of a proxy.

        Raises:
            Unavailable: the zone is not connected, answered with an error (texts as Kuma's), or not in time.
        """
        opened = self._open.get((zone, query.call))
        if opened is None:
            raise Unavailable(_offline(query.call))
        request_id = PARTS + self._clock.new_id()
        waiting = opened.waiting[request_id] = _Waiting(asyncio.get_running_loop().create_future())
        try:
            async with asyncio.timeout(self._timeout) as deadline:
                async with opened.writing:
                    await opened.stream.write(encode_query(query, request_id))
                return await self._whole(waiting, deadline)
        except TimeoutError:
            raise Unavailable(f"zone {zone} did not answer within {self._timeout:g} s") from None
        except (grpc.aio.BaseError, asyncio.InvalidStateError):
            # The stream is over, but its reader has not noticed yet.
            raise Unavailable(_offline(query.call)) from None
        finally:
            del opened.waiting[request_id]

    async def _whole(self, waiting: _Waiting, deadline: asyncio.Timeout) -> bytes:
        """The answer; every part that comes gives the zone its time again."""
        news = spawn(waiting.news.wait(), "admin tunnel: part")
        try:
            while not waiting.answer.done():
                await asyncio.wait((waiting.answer, news), return_when=asyncio.FIRST_COMPLETED)
                if news.done():
                    waiting.news.clear()
                    news = spawn(waiting.news.wait(), "admin tunnel: part")
                    deadline.reschedule(asyncio.get_running_loop().time() + self._timeout)
            return waiting.answer.result()
        finally:
            await cancel_and_wait(news)


def _offline(call: str) -> str:
    return f"couldn't execute {CALLS[call].title} operation, zone is offline"
