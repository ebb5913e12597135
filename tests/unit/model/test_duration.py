"""Durations as Go reads and prints them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ursa.model.duration import format_go, format_proto, parse_go, parse_proto


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("1h30m", "1h30m0s"),
        ("0", "0s"),
        ("-0.5s", "-500ms"),
        ("+1.5h", "1h30m0s"),
        (".5m", "30s"),
        ("1us", "1µs"),
        ("2540400h", "2540400h0m0s"),
    ],
)
def test_what_is_read_is_printed_in_the_normal_form(text: str, printed: str) -> None:
    assert format_go(parse_go(text)) == printed


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", 'invalid duration ""'),
        ("abc", 'invalid duration "abc"'),
        ("--1s", 'invalid duration "--1s"'),
        ("1", 'missing unit in duration "1"'),
        ("1day", 'unknown unit "day" in duration "1day"'),
        ("5 s", 'unknown unit " s" in duration "5 s"'),
        ("5S", 'unknown unit "S" in duration "5S"'),
        ("3000000h", 'invalid duration "3000000h"'),
    ],
)
def test_what_is_none_is_refused_in_the_words_of_go(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match="time: ") as caught:
        parse_go(text)
    assert str(caught.value) == f"time: {reason}"


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_both_spellings_keep_every_nanosecond(nanoseconds: int) -> None:
    assert parse_go(format_go(nanoseconds)) == nanoseconds
    assert parse_proto(format_proto(nanoseconds)) == nanoseconds
