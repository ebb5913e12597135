"""Takes the measure of one scenario: what the control planes spent and counted, and when each proxy got its news."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from bench.fake_proxies import FakeProxy
from bench.planes import Plane

Figures: TypeAlias = dict[str, object]

CALM = 0.002
"""CPU seconds in half a second below which a control plane has nothing to do any more."""


class Meter:
    """What happens between `start` and `figures`, on the control planes and at the proxies."""

    def __init__(self, planes: Mapping[str, Plane], proxies: Sequence[FakeProxy]) -> None:
        self._planes, self._proxies = planes, proxies
        self.started = 0.0

    async def start(self) -> None:
        """Begins; reading the counters costs the control planes CPU, so it comes before the clocks are read."""
        self._counters = await self._read_counters()
        self._responses, self._received = self._totals()
        await self._calm()
        self._cpu = {name: plane.cpu for name, plane in self._planes.items()}
        self.started = time.monotonic()

    async def settle(self, quiet: float = 1.0, timeout: float = 600.0) -> None:
        """Returns when no proxy got anything for some seconds and the control planes are calm."""
        async with asyncio.timeout(timeout):
            while True:
                before = self._totals()
                await asyncio.sleep(quiet)
                if self._totals() == before:
                    break
            await self._calm()

    async def figures(self) -> Figures:
        """CPU since the start, and how much of what was done."""
        cpu = {name: round(plane.cpu - self._cpu[name], 3) for name, plane in self._planes.items()}
        responses, received = self._totals()
        counters = await self._read_counters()
        counted = {name: int(value - self._counters.get(name, 0)) for name, value in counters.items()}
        return {
            "cpu_s": cpu,
            "responses": responses - self._responses,
            "bytes": received - self._received,
            "zone_counters": {name: count for name, count in counted.items() if count},
        }

    def times(self, type_url: str) -> Figures:
        """When proxies got, and answered, a response of a type, in seconds since the start."""
        seen = [at - self.started for p in self._proxies if (at := p.seen.get(type_url, 0)) > self.started]
        answered = [at - self.started for p in self._proxies if (at := p.acknowledged.get(type_url, 0)) > self.started]
        return {
            "reached": len(seen),
            **_spread(seen),
            "last_acknowledged_s": max(map(_milliseconds, answered), default=None),
        }

    async def _read_counters(self) -> dict[str, float]:
        return await asyncio.to_thread(self._planes["zone"].counters)

    async def _calm(self) -> None:
        while True:
            before = {name: plane.cpu for name, plane in self._planes.items()}
            await asyncio.sleep(0.5)
            if all(plane.cpu - before[name] < CALM + len(self._proxies) * 2e-5 for name, plane in self._planes.items()):
                return

    def _totals(self) -> tuple[int, int]:
        return sum(proxy.responses for proxy in self._proxies), sum(proxy.received for proxy in self._proxies)


def _spread(times: list[float]) -> Figures:
    if not times:
        return {"first_s": None, "median_s": None, "last_s": None}
    return {
        "first_s": _milliseconds(min(times)),
        "median_s": _milliseconds(statistics.median(times)),
        "last_s": _milliseconds(max(times)),
    }


def _milliseconds(seconds: float) -> float:
    return round(seconds, 3)
