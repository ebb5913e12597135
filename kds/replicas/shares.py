"""How many streams a replica should let go, so that all come to serve about equally many. No I/O, no time.

The invariant: a replica never goes below its share, which is the total divided by the number of replicas, rounded up.
What each has too much is what the others have too little, so whoever lets go only what it has too much of can never
make another one too full, however peers spread. Figures of others are old by a moment; streams that were let go in
that moment are counted as somebody's, which errs on the side of keeping.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NOTEWORTHY = 0.02
"""Part by which a number of streams must change for others to be told."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How eagerly replicas level.

    Attributes:
        margin: part of its share by which a replica must be above it to begin.
        step: part of its streams that a replica lets go in one round, one stream at least.
    """

    margin: float = 0.1
    step: float = 0.1


def fair_share(own: int, others: Sequence[int], *, moving: int = 0) -> int:
    """The most streams that a replica may have: its share of all there are, rounded up."""
    return -(-(own + sum(others) + moving) // (1 + len(others)))


def surplus(own: int, others: Sequence[int], limits: Limits, *, moving: int = 0, begun: bool = False) -> int:
    """How many streams a replica should let go in this round.

    Args:
        own: streams it has.
        others: streams of each other replica, as far as known.
        limits: how eagerly.
        moving: streams it let go that may not be counted anywhere yet.
        begun: whether it is about to level already; who is goes on until it has its share, who is not begins only
            when it is well above, so that small differences move nobody.
    """
    share = fair_share(own, others, moving=moving)
    if not begun and own <= share * (1 + limits.margin):
        return 0
    return max(0, min(own - share, max(1, int(own * limits.step))))


def is_noteworthy(told: int, now: int) -> bool:
    """Whether a number of streams has changed so much that others should know."""
    return abs(now - told) > told * NOTEWORTHY
