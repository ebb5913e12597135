"""A zone's end of the admin streams: answers what the global asks about proxies of this zone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from kds.admin_calls import MORE, PARTS, AdminHandler, AdminQuery, decode_query, encode_answer
from kds.byte_stream import ByteStream, read_message
from ursa.errors import UrsaError
from ursa.runtime.tasks import cancel_and_wait, spawn


@dataclass(frozen=True, slots=True)
class AdminLimits:
    """What answers keep to.

    Attributes:
        timeout: seconds for a proxy to answer.
        at_once: questions answered at the same time per stream; more wait in the stream.
        part: bytes of one part of an answer: nothing else on the connection waits for more than that.
        max_message: bytes of the largest message.
    """

    timeout: float = 10.0
    at_once: int = 8
    part: int = 256 << 10
    max_message: int = 10 << 20


class AdminResponder:
    """Serves one admin stream."""

    def __init__(self, call: str, handler: AdminHandler, *, limits: AdminLimits) -> None:
        self._call, self._handler, self._limits = call, handler, limits
        self._slots = asyncio.Semaphore(limits.at_once)
        # Half a message leaves room for all that is not the answer.
        self._part = min(limits.part, limits.max_message // 2)
        self._writing = asyncio.Lock()

    async def run(self, stream: ByteStream) -> None:
        """Answers until the global ends the stream; a slow proxy does not hold up other answers."""
        answering: set[asyncio.Task[None]] = set()
        try:
            while (message := await read_message(stream)) is not None:
                await self._slots.acquire()
                task = spawn(self._answer(stream, message), "kds: admin answer")
                answering.add(task)
                task.add_done_callback(answering.discard)
        finally:
            await cancel_and_wait(*answering)

    async def _answer(self, stream: ByteStream, message: bytes) -> None:
        try:
            request_id, query = decode_query(self._call, message)
            for part in await self._ask(request_id, query):
                async with self._writing:
                    await stream.write(part)
        finally:
            self._slots.release()

    async def _ask(self, request_id: str, query: AdminQuery) -> list[bytes]:
        """What a proxy says, as messages."""
        try:
            async with asyncio.timeout(self._limits.timeout):
                result = await self._handler(query)
        except UrsaError as failure:
            return [encode_answer(self._call, request_id, error=str(failure))]
        except TimeoutError:
            return [encode_answer(self._call, request_id, error=f"no answer within {self._limits.timeout:g} s")]
        if request_id.startswith(PARTS):
            cuts = [result[start : start + self._part] for start in range(0, len(result), self._part)] or [b""]
            parts = [encode_answer(self._call, request_id + MORE, part) for part in cuts[:-1]]
            return [*parts, encode_answer(self._call, request_id, cuts[-1])]
        answer = encode_answer(self._call, request_id, result)
        if len(answer) > self._limits.max_message:
            error = f"the answer has {len(answer)} bytes, more than fit into a message"
            answer = encode_answer(self._call, request_id, error=error)
        return [answer]
