"""Time and randomness, injected: backoff, leases, jitter and rotation become deterministic under test."""

from __future__ import annotations

import random
import time
import uuid
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What anything that needs time or chance is given."""

    def now_ns(self) -> int:
        """Wall clock, nanoseconds since the epoch, UTC."""

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps; only differences mean anything."""

    async def sleep(self, seconds: float) -> None:
        """Returns after that time."""

    def uniform(self, low: float, high: float) -> float:
        """A random number between the two."""

    def new_id(self) -> str:
        """A random UUID in text form."""


class SystemClock:
    """The real clock and real randomness."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._rng = rng or random.SystemRandom()

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        import asyncio  # not needed by those who only read the time

        await asyncio.sleep(seconds)

    def uniform(self, low: float, high: float) -> float:
        return self._rng.uniform(low, high)

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))


def to_datetime(nanoseconds: int) -> datetime:
    """Nanoseconds since the epoch as an aware datetime (microsecond precision)."""
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
