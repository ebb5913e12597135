"""Reads YAML and JSON texts with many documents; the only place that parses YAML from people."""

from __future__ import annotations

from typing import Any

import yaml

from ursa.errors import BadRequest


def load_documents(text: str) -> list[dict[str, Any]]:
    """All non-empty documents of a text.

    Raises:
        BadRequest: the text is not YAML, or a document is not a mapping.
    """
    try:
        documents = [d for d in yaml.load_all(text, Loader=yaml.CSafeLoader) if d is not None]
    except yaml.YAMLError as error:
        raise BadRequest(f"not valid YAML: {error}") from None
    for number, document in enumerate(documents, 1):
        if not isinstance(document, dict):
            raise BadRequest(f"document {number} is not a mapping")
    return documents
