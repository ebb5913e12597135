"""Waiting for something, but not for ever, with injected time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from ursa.runtime.clock import Clock
from ursa.runtime.tasks import cancel_and_wait, spawn

T = TypeVar("T")


async def within(coroutine: Coroutine[Any, Any, T], seconds: float | None, clock: Clock) -> T | None:
    """What a coroutine returns; None when that takes longer than this, after it was cancelled. None waits for ever."""
    if seconds is None:
        return await coroutine
    alarm = spawn(clock.sleep(max(0.0, seconds)), "alarm")
    waiting = spawn(coroutine, "waiting")
    try:
        await asyncio.wait((alarm, waiting), return_when=asyncio.FIRST_COMPLETED)
        return waiting.result() if waiting.done() else None
    finally:
        await cancel_and_wait(alarm, waiting)
