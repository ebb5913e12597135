"""Checks of single values in protobuf specs that several kinds share. Kinds differ in what they say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ursa.errors import Violation
from ursa.model.duration import parse_proto
from ursa.model.json import JsonObject

EMPTY = "cannot be empty"
UNDEFINED = "has to be defined"
SHARE = "has to be in [0.0 - 100.0] range"


def positive_duration(field: str, value: str | None, reason: str) -> Iterator[Violation]:
    """A duration that must not be zero when it is there."""
    if value is not None and parse_proto(value) <= 0:
        yield Violation(field, reason)


def positive_number(field: str, value: float | None, reason: str) -> Iterator[Violation]:
    """A number that must not be zero when it is there."""
    if value is not None and value <= 0:
        yield Violation(field, reason)


def share(field: str, value: float | str | None, reason: str = SHARE) -> Iterator[Violation]:
    """A percentage, when it is there; what no number can hold is a text such as `Infinity`."""
    if value is not None and not 0 <= float(value) <= 100:
        yield Violation(field, reason)


def needed(field: str, section: JsonObject, names: Sequence[str], reason: str = EMPTY) -> Iterator[Violation]:
    """Fields of a section that must be there and not empty."""
    for name in names:
        if not section.get(name):
            yield Violation(f"{field}.{name}", reason)


def data_source(field: str, source: JsonObject | None) -> Iterator[Violation]:
    """Where some bytes come from, when it is said."""
    if source is not None and not any(source.get(name) for name in ("secret", "file", "inline", "inlineString")):
        yield Violation(field, "data source cannot be empty")
