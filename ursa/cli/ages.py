"""How long ago something was, in one number and one letter."""

from __future__ import annotations

from collections.abc import Iterable

from ursa.model.timestamps import parse_timestamp

NEVER = "never"
_UNITS = ((365 * 86_400, "y"), (86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))
_SECOND = 1_000_000_000


def age(text: str | None, now_ns: int) -> str:
    """`5s`, `12m`, `3h`, `4d`, `2y`; `never` for what is missing or still to come."""
    moment = parse_timestamp(text or "")
    seconds = (now_ns - moment) // _SECOND
    if not moment or seconds < 0:
        return NEVER
    for size, letter in _UNITS:
        if seconds >= size:
            return f"{seconds // size}{letter}"
    return "0s"


def newest(texts: Iterable[str | None]) -> str | None:
    """The latest of some timestamps, None without any."""
    return max((t for t in texts if t), key=parse_timestamp, default=None)
