"""Waits for what other processes do, and says what was waited for when it does not happen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import aiohttp

from ursa.errors import Unavailable

T = TypeVar("T")

INTERVAL = 0.1
"""Seconds between two looks."""

REQUEST = aiohttp.ClientTimeout(total=2)


async def until(what: str, look: Callable[[], Awaitable[T]], timeout: float) -> T:
    """Looks again and again until something is there; refused connections count as nothing.

    Raises:
        Unavailable: it was not there in time.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            if found := await look():
                return found
        except (aiohttp.ClientError, TimeoutError):
            pass  # not listening yet, which is one of the things that are waited for
        if time.monotonic() > deadline:
            raise Unavailable(f"{what}: not within {timeout:g}s")
        await asyncio.sleep(INTERVAL)


async def fetch(url: str) -> bytes | None:
    """The body of a 200 answer, None for any other; raises ClientError or TimeoutError without an answer."""
    async with aiohttp.ClientSession(timeout=REQUEST) as session, session.get(url) as answer:
        return await answer.read() if answer.status == 200 else None
