"""Whether a spec has the shape that everything which reads it relies on: its JSON types, and nothing more.

Rules, ranges and required fields change between versions; what another version stored must not be lost for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ursa.model.json import JsonObject
from ursa.model.kind import Kind, Registry
from ursa.model.resource import Resource
from ursa.model.schema import violations

_KEPT = ("type", "x-any", "x-int-or-string")
_FIELD = re.compile(r"Failed to parse (\w+) field")


class Shapes:
    """Knows the shapes of all kinds."""

    def __init__(self, registry: Registry) -> None:
        self._kinds = registry.names
        self._schemas: dict[str, JsonObject] = {}

    def objection(self, resource: Resource) -> str:
        """What is wrong with a resource's shape, empty if nothing is. Contents are never quoted."""
        kind = self._kinds.get(resource.kind)
        if kind is None:
            return "its type is not known to this version"
        return _of_message(resource, kind) if kind.schema is None else self._of_json(resource, kind.schema)

    def _of_json(self, resource: Resource, schema: JsonObject) -> str:
        kind = resource.kind
        if kind not in self._schemas:
            self._schemas[kind] = {"type": "object", **_types(schema)}
        found = next(violations(resource.spec, self._schemas[kind], "spec"), None)
        return "" if found is None else str(found)


def _of_message(resource: Resource, kind: Kind) -> str:
    try:
        kind.codec.encode(resource.spec)
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        return f"{'.'.join(_FIELD.findall(str(error))) or 'spec'}: not of its type"
    return ""


def _types(schema: JsonObject) -> JsonObject:
    """The part of a schema that is about types."""
    found = {key: schema[key] for key in _KEPT if key in schema}
    if "properties" in schema:
        found["properties"] = {key: _types(inner) for key, inner in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), Mapping):
            found[key] = _types(schema[key])
    return found
