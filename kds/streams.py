"""Connects the two sessions to a gRPC stream; the same code serves both ends, since a stream looks alike from both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from kds.applier import Applier
from kds.byte_stream import ByteStream
from kds.liveness import Ear, Limits, watch_requester, watch_sender
from kds.publisher import Publisher, TouchedNames
from kds.requester import Requester
from kds.sender import Sender
from kds.waiting import within
from kds.wire import HEARTBEAT, Request, decode_request
from ursa.runtime.clock import Clock
from ursa.runtime.tasks import cancel_and_wait, spawn

FAREWELL = 1.0
"""Seconds for a write to end once its stream is to end. No setting: a peer that takes longer is gone."""


@dataclass(frozen=True, slots=True)
class Line:
    """A stream with what it must keep to."""

    stream: ByteStream
    limits: Limits
    clock: Clock


async def run_sender(
    line: Line,
    sender: Sender,
    publisher: Publisher,
    on_request: Callable[[Request], None],
    on_progress: Callable[[], None],
    companion: Coroutine[Any, Any, None],
) -> None:
    """Serves a requester until it ends the stream, or the companion ends, which must live as long as the stream.

    Reads and writes never wait for each other. `on_request` is told every request that is more than a proof of life,
    `on_progress` is called when such requests were followed up.

    Raises:
        ProtocolError: the peer sent something unreadable.
        Silent: nothing comes through the stream any more.
        Exception: whatever the companion raised.
    """
    wake, news = asyncio.Event(), asyncio.Event()
    ear = Ear(line.stream, line.clock)

    def changed(touched: TouchedNames) -> None:
        sender.touch(touched)
        wake.set()

    async def read() -> None:
        await publisher.ready.wait()
        while (message := await ear.read()) is not None:
            request = decode_request(message)
            sender.receive(request)
            if request.kind != HEARTBEAT:
                on_request(request)
                news.set()
            wake.set()

    def progress() -> None:
        if news.is_set():
            news.clear()
            on_progress()

    with publisher.listening(changed):
        watch = watch_sender(ear, sender, limits=line.limits, clock=line.clock)
        await _send_beside((read(), companion, watch), line, sender, wake, progress)


async def _send_beside(
    runs: Iterable[Coroutine[Any, Any, None]],
    line: Line,
    sender: Sender,
    wake: asyncio.Event,
    progress: Callable[[], None],
) -> None:
    """Sends whatever is due until one of the others ends, then ends them all; raises what the first one raised."""
    tasks = [spawn(one, "kds sender") for one in runs]
    for task in tasks:
        task.add_done_callback(lambda _: wake.set())
    try:
        await _send(line, sender, tasks, wake, progress)
        ended = [task for task in tasks if task.done()]
    finally:
        await cancel_and_wait(*tasks)
    for task in ended:
        task.result()


async def _send(
    line: Line, sender: Sender, others: list[asyncio.Task[None]], wake: asyncio.Event, progress: Callable[[], None]
) -> None:
    """Sends whatever is due, until one of the others ends; it wakes this, too."""
    while not any(task.done() for task in others):
        for response in sender.take():
            if not await _write(line.stream, response, others):
                break
        progress()
        await within(wake.wait(), _seconds_until(sender.due, line.clock), line.clock)
        wake.clear()


def _seconds_until(due: int | None, clock: Clock) -> float | None:
    """How long there is nothing to do; None for ever."""
    return None if due is None else due / 1e9 - clock.monotonic()


async def _write(stream: ByteStream, message: bytes, others: list[asyncio.Task[None]]) -> bool:
    """Sends a message unless one of the others ends first and the peer does not take it soon.

    A write must not be cancelled lightly: gRPC could not send the final status then.
    """
    writing = spawn(stream.write(message), "kds sender: write")
    try:
        await asyncio.wait((writing, *others), return_when=asyncio.FIRST_COMPLETED)
        if not writing.done():
            await asyncio.wait((writing,), timeout=FAREWELL)
        if not writing.done():
            return False
        writing.result()
        return True
    finally:
        await cancel_and_wait(writing)


async def run_requester(line: Line, requester: Requester, applier: Applier, on_response: Callable[[], None]) -> None:
    """Requests everything and applies what comes, one response after the other, until the peer ends the stream.

    Raises:
        ProtocolError: the peer sent something that is no response.
        Unavailable: the store cannot take it.
        Silent: nothing comes through the stream any more.
    """
    writing = asyncio.Lock()
    ear = Ear(line.stream, line.clock)

    async def write(message: bytes) -> None:
        async with writing:
            await line.stream.write(message)

    async def converse() -> None:
        answered = set[str]()
        for request in requester.opening():
            await write(request)
        while (message := await ear.read()) is not None:
            delivery = requester.receive(message)
            on_response()
            if delivery is None:
                continue
            problems = await applier.apply(delivery)
            if delivery.kind in answered:
                await line.clock.sleep(line.limits.response)
            answered.add(delivery.kind)
            await write(requester.answer(delivery, problems))

    async def beat() -> None:
        await write(requester.heartbeat())

    watch = watch_requester(ear, lambda: requester.beats, beat, limits=line.limits, clock=line.clock)
    await race(converse(), watch, applier.retry_refused())


async def race(*runs: Coroutine[Any, Any, None]) -> None:
    """Runs all until the first one ends, then ends the others; raises what the first one raised."""
    tasks = [spawn(run, f"kds: {getattr(run, '__qualname__', run)}") for run in runs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel_and_wait(*tasks)
    for task in done:
        task.result()
