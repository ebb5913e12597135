"""Which resources a peer refuses, found out without its help, and when they are offered again. Pure.

A peer refuses a response as a whole and need not say what in it was wrong, although it took the rest. So the names of a
refused response are halved, and each half is sent alone, until one name is left: it is to blame. What is to blame is
sent again alone, ever more rarely, since what stands in its way at the peer may go; when it changes it is sent like
anything that changes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a refused resource is sent again, in seconds: first after `base`, then twice as late up to `cap`."""

    base: float = 5.0
    cap: float = 300.0

    def delay(self, attempts: int) -> int:
        """Nanoseconds before the next attempt."""
        return round(min(self.cap, self.base * 2.0 ** min(attempts, 32)) * SECOND)


@dataclass(frozen=True, slots=True)
class Refused:
    """One resource that the peer does not take.

    Attributes:
        reason: what it said.
        attempts: how often it was sent alone.
        due: when it is sent again, nanoseconds.
    """

    reason: str
    attempts: int
    due: int


class Refusals:
    """The refused names of one type on one stream."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._suspects: deque[tuple[str, ...]] = deque()
        self._refused: dict[str, Refused] = {}

    @property
    def refused(self) -> Mapping[str, Refused]:
        """What is to blame, by name."""
        return MappingProxyType(self._refused)

    def accepted(self, names: Collection[str]) -> None:
        """The peer took these."""
        for name in names:
            self._refused.pop(name, None)

    def rejected(self, names: Collection[str], reason: str, now: int) -> None:
        """The peer refused a response that held these."""
        ordered = tuple(sorted(names))
        if len(ordered) == 1:
            known = self._refused.get(ordered[0])
            attempts = known.attempts + 1 if known is not None else 0
            self._refused[ordered[0]] = Refused(reason, attempts, now + self._pace.delay(attempts))
        elif ordered:
            middle = len(ordered) // 2
            self._suspects += [ordered[:middle], ordered[middle:]]

    def forget(self, name: str) -> None:
        """The name is about to be sent with new content, or is gone."""
        self._refused.pop(name, None)
        self._suspects = deque(left for group in self._suspects if (left := tuple(one for one in group if one != name)))

    def take(self, now: int) -> tuple[str, ...]:
        """Names to be sent alone now, empty when nothing is due."""
        if self._suspects:
            return self._suspects.popleft()
        return next(((name,) for name, refused in self._refused.items() if refused.due <= now), ())

    @property
    def due(self) -> int | None:
        """When something is due, nanoseconds; None when nothing waits."""
        if not self._suspects and not self._refused:
            # As nearly always, and asked for every type each time something happens.
            return None
        return 0 if self._suspects else min(refused.due for refused in self._refused.values())
