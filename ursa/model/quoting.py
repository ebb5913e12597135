"""Texts inside other texts, quoted as Go's `%q` does: tools compare whole messages."""

from __future__ import annotations

import json


def quoted(text: str) -> str:
    """The text in double quotes, with quotes, backslashes and control characters escaped."""
    return json.dumps(text, ensure_ascii=False)
