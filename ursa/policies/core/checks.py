"""Small checks of single values, with Kuma's wording. Each yields what is wrong with one field."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from ursa.errors import Violation
from ursa.model.duration import parse_go
from ursa.model.json import Json, JsonObject

_BANDWIDTH = re.compile(r"\d*\s?[GMk]bps")
_SPIFFE_ID = re.compile(r"spiffe://[a-z0-9._-]+(/(?!\.{1,2}(/|$))[A-Za-z0-9._-]+)*\Z")


def must_be_defined(field: str) -> Violation:
    """The field is missing."""
    return Violation(field, "must be defined")


def must_not_be_defined(field: str) -> Violation:
    """The field does not go together with the rest."""
    return Violation(field, "must not be defined")


def must_not_be_empty(field: str) -> Violation:
    """A text or list without anything in it."""
    return Violation(field, "must not be empty")


def at_least_one_of(field: str, section: JsonObject, names: Sequence[str]) -> Iterator[Violation]:
    """A section in which at least one of these fields must be there."""
    if not any(name in section for name in names):
        yield Violation(field, f"must have at least one defined: {', '.join(names)}")


def positive_duration(field: str, value: str | None) -> Iterator[Violation]:
    """A duration that must not be zero when it is there."""
    if value is not None and parse_go(value) <= 0:
        yield Violation(field, "must be greater than zero when defined")


def non_negative_duration(field: str, value: str | None) -> Iterator[Violation]:
    """A duration for which zero has a meaning."""
    if value is not None and parse_go(value) < 0:
        yield Violation(field, "must not be negative when defined")


def longer_than(field: str, value: str | None, bound: str) -> Iterator[Violation]:
    """A duration that must exceed another one."""
    if value is not None and parse_go(value) <= parse_go(bound):
        yield Violation(field, f"must be greater than: {bound}")


def positive(field: str, value: int | None) -> Iterator[Violation]:
    """A count that must not be zero when it is there."""
    if value is not None and value <= 0:
        yield Violation(field, "must be greater than 0")


def in_range(field: str, value: int | None, low: int, high: int) -> Iterator[Violation]:
    """An integer between two bounds, both included."""
    if value is not None and not low <= value <= high:
        yield Violation(field, f"must be in inclusive range [{low}, {high}]")


def positive_when_defined(field: str, value: int | None) -> Iterator[Violation]:
    """As `positive`, for the policies that say so in other words."""
    if value is not None and value <= 0:
        yield Violation(field, "must be greater than zero when defined")


def status_code(field: str, value: int | None) -> Iterator[Violation]:
    """A status of HTTP."""
    yield from in_range(field, value, 100, 599)


def valid_port(field: str, value: int | None) -> Iterator[Violation]:
    """A port, when it is there."""
    if value is not None and not 1 <= value <= 65535:
        yield Violation(field, "port must be a valid (1-65535)")


def bandwidth(field: str, value: str) -> Iterator[Violation]:
    """A number of bits per second with its unit."""
    if not value:
        yield must_be_defined(field)
    elif not _BANDWIDTH.fullmatch(value):
        yield Violation(field, "must be in kbps/Mbps/Gbps units")


def percentage(field: str, value: Json) -> Iterator[Violation]:
    """A percentage given as number or as text."""
    yield from numeric(field, value)
    number = number_of(value)
    if number is not None and not 0 <= number <= 100:
        yield Violation(field, "must be in inclusive range [0.0, 100.0]")


def numeric(field: str, value: Json) -> Iterator[Violation]:
    """A number given as such or as text."""
    if value is not None and number_of(value) is None:
        yield Violation(field, "string must be a valid number")


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
