"""Reads YAML and JSON texts with many documents; the only place that parses YAML from people.

As with Kuma's command line, a text is divided at its `---` lines first and white space around each part does not count.
The difference shows in a block scalar at the end of a document: its last line end belongs to the white space.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from ursa.errors import BadRequest

_DIVIDER = re.compile(r"^---(?=\s|$)", re.MULTILINE)


def load_documents(text: str) -> list[dict[str, Any]]:
    """All non-empty documents of a text.

    Raises:
        BadRequest: the text is not YAML, or a document is not a mapping.
    """
    try:
        parts = (part.strip() for part in _DIVIDER.split(text))
        documents = [d for part in parts for d in yaml.load_all(part, Loader=yaml.CSafeLoader) if d is not None]
    except yaml.YAMLError as error:
        raise BadRequest(f"not valid YAML: {error}") from None
    for number, document in enumerate(documents, 1):
        if not isinstance(document, dict):
            raise BadRequest(f"document {number} is not a mapping")
    return documents
