"""Reads YAML and JSON texts with many documents; the only place that parses YAML from people.

As with Kuma's command line, white space at the end of a document does not count. That shows where a document ends with
a text of several lines: the line end after the last one belongs to the document, not to the text.
"""

from __future__ import annotations

import math
from typing import Any

import yaml

from ursa.errors import BadRequest

MAX_VALUES = 1_000_000
"""How many values a document may have when all its aliases are written out."""

MAX_DEPTH = 200
"""How deep values may be nested; far more than any resource needs, and far less than Python can recurse."""


def load_documents(text: str) -> list[dict[str, Any]]:
    """All non-empty documents of a text.

    Raises:
        BadRequest: the text is not YAML, a document is not a mapping, or its aliases would blow it up.
    """
    try:
        documents = [d for d in yaml.load_all(text, Loader=yaml.CSafeLoader) if d is not None]
    except yaml.YAMLError as error:
        raise BadRequest(f"not valid YAML: {error}") from None
    for number, document in enumerate(documents, 1):
        if not isinstance(document, dict):
            raise BadRequest(f"document {number} is not a mapping")
        if _values(document, {}, MAX_DEPTH) > MAX_VALUES:
            raise BadRequest(f"document {number} has aliases that stand for more than {MAX_VALUES} values")
        _trim_end(document)
    return documents


def _trim_end(document: dict[str, Any]) -> None:
    """Takes the line ends off the text that ends a document, if one does."""
    holder: Any = document
    while holder:
        key = next(reversed(holder)) if isinstance(holder, dict) else len(holder) - 1
        last = holder[key]
        if isinstance(last, str):
            holder[key] = last.rstrip("\n")
        if not isinstance(last, dict | list):
            return
        holder = last


def _values(value: object, known: dict[int, float], depth: int) -> float:
    """How many values there are when all aliases are written out; an alias of what holds it stands for no end of them.

    Aliases share objects, so each is looked at once.
    """
    if not isinstance(value, (dict, list)):
        return 1
    if not depth:
        raise BadRequest(f"not valid YAML: nested deeper than {MAX_DEPTH} levels")
    if id(value) not in known:
        known[id(value)] = math.inf
        inside = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_values(one, known, depth - 1) for one in inside)
    return known[id(value)]
