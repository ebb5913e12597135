"""Operations on streams of a zone: nothing is left behind when nobody waits for them any more."""

from __future__ import annotations

import asyncio
import gc
from typing import Any, cast

import pytest

from kds import connection
from kds.connection import ClientStream
from ursa.runtime.tasks import cancel_and_wait, spawn


class Deaf:
    """A call whose reads do not end with it, as when gRPC loses a cancellation."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    async def read(self) -> object:
        try:
            return await asyncio.get_running_loop().create_future()
        finally:
            self.ended.append("read")

    def cancel(self) -> None:
        self.ended.append("call")


async def test_an_operation_that_outlives_its_call_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "FAREWELL", 0.01)
    call, overlooked = Deaf(), list[str]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: overlooked.append(context["message"]))
    reader = spawn(ClientStream(cast(Any, call)).read(), "reader")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await cancel_and_wait(reader)
    del reader
    await asyncio.sleep(0)
    gc.collect()
    assert (call.ended, overlooked) == (["call", "read"], [])


async def test_an_operation_is_ended_although_its_caller_does_not_stay_for_that() -> None:
    call = Deaf()
    reader = spawn(ClientStream(cast(Any, call)).read(), "reader")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    reader.cancel()
    await asyncio.sleep(0)
    await cancel_and_wait(reader)
    await asyncio.sleep(0)
    assert call.ended == ["call", "read"]
