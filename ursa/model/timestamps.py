"""Points in time as text. Inside, a moment is nanoseconds since the epoch, UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime

SECOND = 1_000_000_000
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?Z")


def rfc3339(nanoseconds: int) -> str:
    """RFC 3339 with nanoseconds, trailing zeros dropped: creation and modification times."""
    seconds, fraction = divmod(nanoseconds, SECOND)
    digits = f"{fraction:09d}".rstrip("0")
    return f"{_seconds(seconds)}.{digits}Z" if digits else f"{_seconds(seconds)}Z"


def proto_timestamp(nanoseconds: int) -> str:
    """RFC 3339 with 0, 3, 6 or 9 decimals: timestamps inside protobuf specs."""
    seconds, fraction = divmod(nanoseconds, SECOND)
    if not fraction:
        return f"{_seconds(seconds)}Z"
    digits = 3 if fraction % 1_000_000 == 0 else 6 if fraction % 1_000 == 0 else 9
    return f"{_seconds(seconds)}.{f'{fraction:09d}'[:digits]}Z"


def parse_timestamp(text: str) -> int:
    """Nanoseconds since the epoch of either form, 0 when it is not one."""
    match = _RFC3339.fullmatch(text)
    if match is None or match[1].startswith("0001"):
        return 0
    moment = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
    return int(moment.timestamp()) * SECOND + int((match[2] or "0").ljust(9, "0")[:9])


def _seconds(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
