"""Shares of something, exact in the few denominators that Envoy knows."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

_DENOMINATORS = (("HUNDRED", 1), ("TEN_THOUSAND", 100), ("MILLION", 10_000))
"""Names, and into how many parts each divides a per cent."""


@dataclass(frozen=True, slots=True)
class Fraction:
    """A share; the denominator by Envoy's name."""

    numerator: int
    denominator: str = "HUNDRED"


def percent(value: float | str) -> Fraction:
    """A percentage in the coarsest denominator that holds it; what even a million cannot hold is cut off."""
    number = Decimal(str(value))
    name, parts = next((d for d in _DENOMINATORS if number * d[1] % 1 == 0), _DENOMINATORS[-1])
    return Fraction(int(number * parts), name)
