"""What is visibly wrong with a token that a control plane refused: its claims can be read without any key."""

from __future__ import annotations

import base64
import json
from typing import Any

from ursa.cli.ages import age
from ursa.model.timestamps import rfc3339

_SECOND = 1_000_000_000


def flaw(token: str, now_ns: int) -> str:
    """The flaw in a few words, empty if none can be seen. Never contains the token."""
    claims = _claims(token)
    if claims is None:
        return "the token is not a JSON web token: was it copied as a whole?"
    expires, begins = (_nanoseconds(claims.get(name)) for name in ("exp", "nbf"))
    if expires and expires <= now_ns:
        return f"the token expired {age(rfc3339(expires), now_ns)} ago, at {rfc3339(expires)}"
    if begins and begins > now_ns:
        return f"the token is not good before {rfc3339(begins)}: is the clock right?"
    return ""


def _claims(token: str) -> dict[str, Any] | None:
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _nanoseconds(value: object) -> int:
    return int(value * _SECOND) if isinstance(value, int | float) and not isinstance(value, bool) else 0
