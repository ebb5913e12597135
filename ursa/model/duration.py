"""Durations in the two spellings that cross Ursa's wires: Go's (`1h30m`) in JSON specs, proto3's (`5s`) in the others.

Everything inside counts nanoseconds as whole numbers.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
SECOND = UNITS["s"]
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)([^0-9.]*)")
_LONGEST = (1 << 63) - 1
"""What Go's durations can hold, in nanoseconds."""


def parse_go(text: str) -> int:
    """Nanoseconds of a Go duration such as `1h30m`, `250ms`, `0`, `-5s`.

    Raises:
        ValueError: with the text of Go's own parser.
    """
    body = text[1:] if text[:1] in ("+", "-") else text
    sign = -1 if text.startswith("-") else 1
    if body == "0":
        return 0
    total, end = Decimal(0), 0
    for match in _PART.finditer(body):
        if match.start() != end:
            break
        number, unit = match.groups()
        if not unit:
            raise ValueError(f'time: missing unit in duration "{text}"')
        if unit not in UNITS:
            raise ValueError(f'time: unknown unit "{unit}" in duration "{text}"')
        total += Decimal(number) * UNITS[unit]
        end = match.end()
    if not body or end != len(body) or total > _LONGEST:
        raise ValueError(f'time: invalid duration "{text}"')
    return sign * int(total)


def format_go(nanoseconds: int) -> str:
    """How Go prints it: `1h0m0s`, `1.5s`, `25ms`, `0s`."""
    if nanoseconds == 0:
        return "0s"
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if rest < SECOND:
        unit, size = next((u, s) for u, s in (("ms", 1_000_000), ("µs", 1_000), ("ns", 1)) if rest >= s)
        return f"{sign}{_trim(rest, size)}{unit}"
    hours, rest = divmod(rest, UNITS["h"])
    minutes, rest = divmod(rest, UNITS["m"])
    seconds = f"{_trim(rest, SECOND)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else f"{sign}{seconds}"


def parse_proto(text: str) -> int:
    """Nanoseconds of a proto3 JSON duration such as `5s` or `0.025s`; raises ValueError."""
    if not text.endswith("s"):
        raise ValueError(f'duration must end with letter "s": {text!r}')
    try:
        return int(Decimal(text[:-1]) * SECOND)
    except InvalidOperation:
        raise ValueError(f"invalid duration: {text!r}") from None


def format_proto(nanoseconds: int) -> str:
    """proto3 JSON: seconds with 0, 3, 6 or 9 decimals."""
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    seconds, fraction = divmod(rest, SECOND)
    if not fraction:
        return f"{sign}{seconds}s"
    digits = 3 if fraction % 1_000_000 == 0 else 6 if fraction % 1_000 == 0 else 9
    return f"{sign}{seconds}.{f'{fraction:09d}'[:digits]}s"


def _trim(value: int, size: int) -> str:
    whole, fraction = divmod(value, size)
    if not fraction:
        return str(whole)
    digits = f"{fraction:0{len(str(size)) - 1}d}".rstrip("0")
    return f"{whole}.{digits}"
