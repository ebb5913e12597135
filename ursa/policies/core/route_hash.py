"""The hash by which the matches of a MeshHTTPRoute rule are known, in route names and as an internal tag of rules.

It is the base64 of the SHA-256 of the matches' JSON in one fixed spelling: keys in schema order, empty ones left out,
no spaces, `<`, `>` and `&` escaped. Kuma's peers compare route names, so the spelling is part of the wire.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

import orjson

from ursa.model.json import Json, JsonObject

MATCHES_KEY = "__rule-matches-hash__"
"""Internal tag of destinations: the hash of the matches that a rule is limited to."""

_ESCAPES = tuple((character.encode(), b"\\u%04x" % ord(character)) for character in "<>&\u2028\u2029")


def matches_hash(matches: Iterable[JsonObject]) -> str:
    """The hash of the matches of one rule."""
    text = orjson.dumps([_match(match) for match in matches])
    for plain, escaped in _ESCAPES:
        text = text.replace(plain, escaped)
    return base64.b64encode(hashlib.sha256(text).digest()).decode()


def _match(match: JsonObject) -> JsonObject:
    ordered: dict[str, Json] = {}
    if path := match.get("path"):
        ordered["path"] = _fields(path, "value", "type")
    if method := match.get("method"):
        ordered["method"] = method
    if parameters := match.get("queryParams"):
        ordered["queryParams"] = [_fields(parameter, "type", "name", "value") for parameter in parameters]
    if headers := match.get("headers"):
        ordered["headers"] = [_fields(header, "type", "name", "value") for header in headers]
    return ordered


def _fields(document: JsonObject, *names: str) -> JsonObject:
    return {name: document[name] for name in names if document.get(name) not in (None, "")}
