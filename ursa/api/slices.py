"""Long walks over many proxies, in slices: in between everybody else gets the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")

SLICE = 64
"""Items between two pauses: a few milliseconds of matching."""


async def in_slices(items: Iterable[T]) -> AsyncIterator[T]:
    """The items, with a pause after every slice."""
    for number, item in enumerate(items, 1):
        yield item
        if number % SLICE == 0:
            await asyncio.sleep(0)
