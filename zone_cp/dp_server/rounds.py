"""Looks at each of many things once per interval, with one timer for all and spread over the interval.

A timer for every connection would be armed and disarmed with every message; this one does not know of messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

PORTIONS = 15
"""Into how many parts an interval is divided."""

CallLater = Callable[[float, Callable[[], None]], asyncio.TimerHandle]


class Rounds(Generic[T]):
    """Members, and when each is looked at."""

    def __init__(self, interval: float, look: Callable[[T], None], *, call_later: CallLater | None = None) -> None:
        """Looks at a member first when it has been one for an interval, less a portion at most.

        Args:
            interval: seconds between two looks at the same member.
            look: looks.
            call_later: sets the timer; the running loop's unless given.
        """
        self._step, self._look = interval / PORTIONS, look
        self._call_later = call_later or asyncio.get_running_loop().call_later
        self._portions: list[dict[T, None]] = [{} for _ in range(PORTIONS)]
        self._portion_of: dict[T, int] = {}
        self._now = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._portion_of)

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._portion_of))

    def add(self, member: T) -> None:
        """One more."""
        self._portion_of[member] = self._now
        self._portions[self._now][member] = None
        if self._timer is None:
            self._wait()

    def discard(self, member: T) -> None:
        """One less, if it was there."""
        portion = self._portion_of.pop(member, None)
        if portion is not None:
            del self._portions[portion][member]
        if not self._portion_of and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._timer = self._call_later(self._step, self._next)

    def _next(self) -> None:
        self._wait()
        self._now = (self._now + 1) % PORTIONS
        for member in list(self._portions[self._now]):
            if member in self._portion_of:
                self._look(member)
