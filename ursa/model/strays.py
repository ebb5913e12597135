"""Finds fields of a document that its kind does not have.

They are dropped on the way in, as Kuma does, so a mistyped field would otherwise change nothing and tell nobody.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from itertools import islice

from ursa.model.forms import META
from ursa.model.json import Definitions, Json, JsonObject
from ursa.model.kind import Kind

MOST = 20
"""Fields that are told one by one."""

_UNDERSCORED = re.compile(r"_([a-z0-9])")


def stray_fields(document: JsonObject, kind: Kind) -> Sequence[str]:
    """A sentence for every field of a document in Universal form that was ignored, the first ones of very many."""
    return [*islice(_strays(document, kind), MOST)]


def _strays(document: JsonObject, kind: Kind) -> Iterator[str]:
    schema, definitions = kind.spec_schema("")
    if kind.codec.flat:
        yield from _below({k: v for k, v in document.items() if k not in META}, schema, definitions, "", also=META)
        return
    for key in document:
        if key not in META:
            yield _told(key, key, META)
    yield from _below(document.get("spec"), schema, definitions, "spec")


def _below(
    value: Json, schema: JsonObject, definitions: Definitions, path: str, *, also: frozenset[str] = frozenset()
) -> Iterator[str]:
    """What is stray in a value; `also` are names that its object may have besides those of the schema."""
    schema = definitions.get(str(schema.get("$ref")), schema)
    if isinstance(value, list):
        items = schema.get("items")
        if isinstance(items, dict):
            for number, item in enumerate(value):
                yield from _below(item, items, definitions, f"{path}[{number}]")
    elif isinstance(value, dict):
        known, rest = schema.get("properties"), schema.get("additionalProperties")
        for key, inner in value.items():
            where = f"{path}.{key}" if path else str(key)
            if isinstance(known, dict):
                found = known.get(key, known.get(_UNDERSCORED.sub(lambda match: match[1].upper(), str(key))))
                if isinstance(found, dict):
                    yield from _below(inner, found, definitions, where)
                else:
                    yield _told(where, str(key), known.keys() | also)
            elif isinstance(rest, dict):
                yield from _below(inner, rest, definitions, where)


def _told(where: str, key: str, known: frozenset[str] | set[str]) -> str:
    near = difflib.get_close_matches(key, sorted(known), 1)
    advice = f", did you mean {near[0]}?" if near else ""
    return f"{where} is not a field of this type and was ignored{advice}"
