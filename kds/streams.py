"""Connects the two sessions to a gRPC stream; the same code serves both ends, since a stream looks alike from both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import grpc

from kds.applier import Applier
from kds.publisher import Publisher, TouchedNames
from kds.requester import Requester
from kds.sender import Sender
from kds.wire import Request, decode_request
from ursa.runtime.tasks import cancel_and_wait, spawn


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


async def run_sender(
    stream: ByteStream,
    sender: Sender,
    publisher: Publisher,
    on_request: Callable[[Request], None],
    companion: Coroutine[Any, Any, None],
) -> None:
    """Serves a requester until it ends the stream or the companion ends. Reads and writes never wait for each other.

    The companion is what must live as long as the stream. It is run here because a write must not be cancelled: gRPC
    could not send the final status then.

    Raises:
        ProtocolError: the peer sent something unreadable.
        Exception: whatever the companion raised.
    """
    wake = asyncio.Event()

    def changed(touched: TouchedNames) -> None:
        sender.touch(touched)
        wake.set()

    async def read() -> None:
        await publisher.ready.wait()
        while (message := await read_message(stream)) is not None:
            request = decode_request(message)
            sender.receive(request)
            on_request(request)
            wake.set()

    with publisher.listening(changed):
        tasks = [spawn(read(), "kds sender: reader"), spawn(companion, "kds sender: companion")]
        for task in tasks:
            task.add_done_callback(lambda _: wake.set())
        try:
            while not any(task.done() for task in tasks):
                for response in sender.take():
                    await stream.write(response)
                await wake.wait()
                wake.clear()
            ended = [task for task in tasks if task.done()]
        finally:
            await cancel_and_wait(*tasks)
    for task in ended:
        task.result()


async def run_requester(
    stream: ByteStream, requester: Requester, applier: Applier, on_response: Callable[[], None]
) -> None:
    """Requests everything and applies what comes, one response after the other, until the peer ends the stream.

    Raises:
        ProtocolError: the peer sent something that is no response.
        Unavailable: the store cannot take it.
    """
    for request in requester.opening():
        await stream.write(request)
    while (message := await read_message(stream)) is not None:
        delivery = requester.receive(message)
        on_response()
        problems = await applier.apply(delivery)
        await stream.write(requester.answer(delivery, problems))


async def race(*runs: Coroutine[Any, Any, None]) -> None:
    """Runs all until the first one ends, then ends the others; raises what the first one raised."""
    tasks = [spawn(run, f"kds: {getattr(run, '__qualname__', run)}") for run in runs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel_and_wait(*tasks)
    for task in done:
        task.result()
