"""How often something may happen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """So many within an interval."""

    tokens: int
    interval: int
