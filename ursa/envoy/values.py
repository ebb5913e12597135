"""Small protobuf values: durations, wrappers, `Any`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any as Untyped

from google.protobuf.message import Message

from ursa.ir.fractions import Fraction

Fields = dict[str, Untyped]
"""Keyword arguments of a message; nested messages are dicts of the same sort."""

TYPE_URL_PREFIX = "type.googleapis.com/"
SECOND = 10**9


def duration(nanoseconds: int) -> Fields:
    """A `google.protobuf.Duration`."""
    return {"seconds": nanoseconds // SECOND, "nanos": nanoseconds % SECOND}


def wrapped(value: bool | int | float | str) -> Fields:
    """A wrapper message such as `BoolValue`."""
    return {"value": value}


def packed(message: Message) -> Fields:
    """A message as `google.protobuf.Any`."""
    return {
        "type_url": TYPE_URL_PREFIX + str(message.DESCRIPTOR.full_name),
        "value": serialised(message),
    }


def serialised(message: Message) -> bytes:
    """The deterministic wire form."""
    return message.SerializeToString(deterministic=True)


def string_struct(values: Mapping[str, str]) -> Fields:
    """A `google.protobuf.Struct` of strings."""
    return {"fields": {key: {"string_value": value} for key, value in values.items()}}


def present(**fields: Untyped) -> Fields:
    """The fields that are not None; a field left out keeps Envoy's default."""
    return {name: value for name, value in fields.items() if value is not None}


def optional_duration(nanoseconds: int | None) -> Fields | None:
    """A duration, or None to leave it out."""
    return None if nanoseconds is None else duration(nanoseconds)


def optional_wrapped(value: bool | int | float | None) -> Fields | None:
    """A wrapper, or None to leave it out."""
    return None if value is None else wrapped(value)


def fractional(of: Fraction) -> Fields:
    """`envoy.type.v3.FractionalPercent`."""
    return {"numerator": of.numerator, "denominator": of.denominator}
