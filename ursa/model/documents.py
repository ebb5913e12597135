"""Reads YAML and JSON texts with many documents; the only place that parses YAML from people.

As with Kuma's command line, white space at the end of a document does not count. That shows where a document ends with
a block of text: the line end after its last line belongs to the document, not to the text. A quoted text is what it is.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from typing import Any

import yaml

from ursa.errors import BadRequest

_START = re.compile(r"^---(?=\s|$)", re.MULTILINE)
"""Where a document begins; within a text such a line would be indented."""

MAX_VALUES = 1_000_000
"""How many values a document may have when all its aliases are written out."""

MAX_DEPTH = 200
"""How deep values may be nested; far more than any resource needs, and far less than Python can recurse."""


def load_documents(text: str) -> list[dict[str, Any]]:
    """All non-empty documents of a text.

    Raises:
        BadRequest: the text is not YAML, a document is not a mapping, or its aliases would blow it up.
    """
    documents: list[Any] = []
    for line, part in _parts(text):
        try:
            documents += [d for d in yaml.load_all(part, Loader=yaml.CSafeLoader) if d is not None]
        except yaml.YAMLError as error:
            raise BadRequest(f"not valid YAML: {yaml_reason(error, first_line=line)}") from None
    for number, document in enumerate(documents, 1):
        if not isinstance(document, dict):
            raise BadRequest(f"document {number} is not a mapping")
        if _values(document, {}, MAX_DEPTH) > MAX_VALUES:
            raise BadRequest(f"document {number} has aliases that stand for more than {MAX_VALUES} values")
    return documents


def yaml_reason(error: yaml.YAMLError, *, first_line: int = 1) -> str:
    """Where a text stops being YAML, and why; lines count from that of the text's first."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return str(error)
    mark = error.problem_mark
    context = f" {error.context}" if error.context else ""
    return f"line {mark.line + first_line}, column {mark.column + 1}: {error.problem}{context}"


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """The documents of a text, each with the line it begins at and without the white space at its end."""
    starts = [0, *(match.start() for match in _START.finditer(text)), len(text)]
    line = 1
    for start, end in itertools.pairwise(starts):
        part = text[start:end]
        if part.strip():
            yield line, part.rstrip()
        line += part.count("\n")


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
