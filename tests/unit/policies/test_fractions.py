"""Percentages in the denominators that Envoy knows."""

from __future__ import annotations

import pytest

from ursa.ir.fractions import Fraction, percent

CASES = [
    (0, 0, "HUNDRED"),
    (50, 50, "HUNDRED"),
    ("50.0", 50, "HUNDRED"),
    ("12.5", 1250, "TEN_THOUSAND"),
    (0.01, 1, "TEN_THOUSAND"),
    ("0.125", 1250, "MILLION"),
    (33.33333, 333333, "MILLION"),
]


@pytest.mark.parametrize(("value", "numerator", "denominator"), CASES)
def test_a_percentage_is_as_exact_as_it_can_be(value: float | str, numerator: int, denominator: str) -> None:
    assert percent(value) == Fraction(numerator, denominator)
