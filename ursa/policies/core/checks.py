"""Small checks of single values, with Kuma's wording. Each yields what is wrong with one field."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from ursa.errors import Violation
from ursa.model.duration import parse_go
from ursa.model.json import Json

_SPIFFE_ID = re.compile(r"spiffe://[a-z0-9._-]+(/(?!\.{1,2}(/|$))[A-Za-z0-9._-]+)*\Z")


def must_be_defined(field: str) -> Violation:
    """The field is missing."""
    return Violation(field, "must be defined")


def positive_duration(field: str, value: str | None) -> Iterator[Violation]:
    """A duration that must not be zero when it is there."""
    if value is not None and parse_go(value) <= 0:
        yield Violation(field, "must be greater than zero when defined")


def non_negative_duration(field: str, value: str | None) -> Iterator[Violation]:
    """A duration for which zero has a meaning."""
    if value is not None and parse_go(value) < 0:
        yield Violation(field, "must not be negative when defined")


def positive(field: str, value: int | None) -> Iterator[Violation]:
    """A count that must not be zero when it is there."""
    if value is not None and value <= 0:
        yield Violation(field, "must be greater than 0")


def in_range(field: str, value: int | None, low: int, high: int) -> Iterator[Violation]:
    """An integer between two bounds, both included."""
    if value is not None and not low <= value <= high:
        yield Violation(field, f"must be in inclusive range [{low}, {high}]")


def percentage(field: str, value: Json) -> Iterator[Violation]:
    """A percentage given as number or as text."""
    if value is None:
        return
    number = number_of(value)
    if number is None:
        yield Violation(field, "string must be a valid number")
    elif not 0 <= number <= 100:
        yield Violation(field, "must be in inclusive range [0.0, 100.0]")


def spiffe_match(field: str, match: Json) -> Iterator[Violation]:
    """The `spiffeID` of a match, which may be missing."""
    spiffe_id = match.get("spiffeID")
    if spiffe_id is not None and not _SPIFFE_ID.match(spiffe_id.get("value", "")):
        yield Violation(f"{field}.spiffeID", "must be a valid Spiffe ID")


def number_of(value: Json) -> float | None:
    """The number in an int-or-string field, None when the text is not a finite number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
