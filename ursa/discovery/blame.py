"""Which resources a client means when it refuses a response: Envoy's protocol has no field for it, only prose."""

from __future__ import annotations

import re
from collections.abc import Iterable


def mentioned(names: Iterable[str], reason: str) -> tuple[str, ...]:
    """Those of the names that the reason mentions as whole words."""
    return tuple(name for name in names if _mentions(reason, name))


def _mentions(text: str, name: str) -> bool:
    """Whether the name stands in the text and is not just a part of a longer name."""
    return bool(name) and name in text and re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text) is not None
