"""Factors in the unit in which Envoy counts them."""

from __future__ import annotations

from decimal import Decimal


def thousandths(factor: float | str) -> int:
    """A factor in thousandths; as in Kuma, what is left is cut off."""
    return int(Decimal(str(factor)) * 1000)
