"""Waits for a proxy to be ready, for start scripts of workloads."""

from __future__ import annotations

import aiohttp

from ursa.errors import Unavailable
from ursa.runtime.clock import Clock


async def until_ready(url: str, timeout: float, frequency: float, request_timeout: float, clock: Clock) -> None:
    """Asks `url` until it answers 200.

    Raises:
        Unavailable: it did not within `timeout` seconds.
    """
    deadline = clock.monotonic() + timeout
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=request_timeout)) as session:
        while True:
            try:
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass  # not listening yet: exactly what is being waited for
            if clock.monotonic() + frequency > deadline:
                raise Unavailable("timeout occurred while waiting for data plane proxy to be ready")
            await clock.sleep(frequency)
