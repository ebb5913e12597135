"""Steady requests from `web` in east through its Envoy, and what became of them, second by second."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass, field

import aiohttp

RATE = 40
"""Requests per second."""

ERROR = "error"
"""Stands for the zone where a request was answered when it was not."""

TIMEOUT = aiohttp.ClientTimeout(total=3)


@dataclass(slots=True)
class Traffic:
    """Counters of everything sent so far; `latest` holds (time, zone or error) of the newest requests."""

    url: str
    requests: int = 0
    errors: int = 0
    by_zone: Counter[str] = field(default_factory=Counter)
    latest: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=RATE * 60))
    reasons: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        """Sends requests until it is cancelled; each one on its own, so that a slow one delays no other."""
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session, asyncio.TaskGroup() as group:
            due = time.monotonic()
            while True:
                group.create_task(self._one(session))
                due += 1 / RATE
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _one(self, session: aiohttp.ClientSession) -> None:
        try:
            async with session.get(self.url) as answer:
                if answer.status == 200:
                    result = str((await answer.json())["zone"])
                    self.by_zone[result] += 1
                else:
                    result = self._failed(f"status {answer.status}")
        except (aiohttp.ClientError, TimeoutError) as error:
            result = self._failed(type(error).__name__)
        self.requests += 1
        self.latest.append((time.monotonic(), result))

    def _failed(self, reason: str) -> str:
        self.errors += 1
        self.reasons[reason] += 1
        return ERROR

    def rates(self, window: float = 2.0) -> Counter[str]:
        """Requests per second by destination zone (and `error`) over the last seconds."""
        since = time.monotonic() - window
        recent = Counter(result for moment, result in self.latest if moment >= since)
        return Counter({result: round(count / window) for result, count in recent.items()})

    def history(self, seconds: int) -> list[Counter[str]]:
        """What became of the requests of each of the last full seconds, the oldest first."""
        now = int(time.monotonic())
        found = [Counter[str]() for _ in range(seconds)]
        for moment, result in self.latest:
            age = now - int(moment)
            if 1 <= age <= seconds:
                found[seconds - age][result] += 1
        return found

    async def settled(self, zone: str, timeout: float, run: int = RATE) -> float:
        """Waits until `run` requests in a row were answered by `zone`.

        Returns:
            The moment of the first of them (monotonic seconds).

        Raises:
            TimeoutError: that did not happen in time.
        """
        asked = time.monotonic()
        while time.monotonic() - asked < timeout:
            recent = [(m, r) for m, r in self.latest if m >= asked]
            streak = 0
            for _, result in reversed(recent):
                if result != zone:
                    break
                streak += 1
            if streak >= run:
                return recent[-streak][0]
            await asyncio.sleep(0.05)
        raise TimeoutError(f"traffic did not settle on {zone} within {timeout:g}s")
