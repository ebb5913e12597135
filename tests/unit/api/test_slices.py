"""Long walks leave the event loop to others."""

from __future__ import annotations

import asyncio

from ursa.api.slices import SLICE, in_slices
from ursa.runtime.tasks import cancel_and_wait, spawn


async def test_others_run_in_between() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = spawn(other(), "other")
    try:
        assert [item async for item in in_slices(range(10 * SLICE))] == list(range(10 * SLICE))
        assert turns >= 10
    finally:
        await cancel_and_wait(task)
