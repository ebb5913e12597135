"""Structural schemas of JSON specs: fills defaults, then names every violation in the words Kuma's validator uses."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

from ursa.errors import BadRequest, Violation
from ursa.model.duration import format_go, parse_go
from ursa.model.json import Json, JsonObject
from ursa.model.quoting import quoted

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}

_BITS = {"int32": 32, "int64": 64}


def load_schema(kind: str, part: str = "spec") -> JsonObject:
    """Schema of the `spec` or `status` of a JSON kind; empty when the kind has no such part."""
    text = (resources.files("ursa.model") / "schemas" / f"{kind}.json").read_text()
    schema: JsonObject = json.loads(text).get(part, {})
    return schema


def with_defaults(value: Json, schema: JsonObject) -> Json:
    """A copy of the value with every default of the schema filled in."""
    if isinstance(value, dict):
        properties = schema.get("properties")
        if properties is None:
            inner = schema.get("additionalProperties")
            return {k: with_defaults(v, inner) for k, v in value.items()} if isinstance(inner, dict) else value
        filled = {k: with_defaults(v, properties[k]) if k in properties else v for k, v in value.items()}
        for key, property_ in properties.items():
            if "default" in property_ and filled.get(key) is None:
                filled[key] = with_defaults(property_["default"], property_)
        return filled
    if isinstance(value, list) and "items" in schema:
        return [with_defaults(item, schema["items"]) for item in value]
    return value


def canonical(value: Json, schema: JsonObject) -> Json:
    """The value without what the schema does not know, durations in Go's normal form.

    Raises:
        BadRequest: a duration cannot be read.
    """
    if schema.get("format") == "duration" and isinstance(value, str):
        try:
            return format_go(parse_go(value))
        except ValueError as error:
            raise BadRequest(str(error)) from None
    if isinstance(value, list) and "items" in schema:
        return [canonical(item, schema["items"]) for item in value]
    if isinstance(value, dict):
        if "properties" in schema:
            known = schema["properties"]
            return {k: canonical(v, known[k]) for k, v in value.items() if k in known and v is not None}
        inner = schema.get("additionalProperties")
        if isinstance(inner, dict):
            return {k: canonical(v, inner) for k, v in value.items()}
    return value


def violations(value: Json, schema: JsonObject, path: str) -> Iterator[Violation]:
    """Everything in which a value differs from its schema; `path` is where the value stands (`spec`)."""
    if schema.get("x-any"):
        return
    if schema.get("x-int-or-string"):
        if not isinstance(value, int | str) or isinstance(value, bool):
            yield Violation(path, f'in body must be of type integer,string: "{_type_name(value)}"')
        elif isinstance(value, int):
            yield from _fits(value, "int32", path)
        return
    expected = schema.get("type")
    if expected and not _is(value, expected):
        yield Violation(path, f'in body must be of type {expected}: "{_type_name(value)}"')
        return
    if isinstance(value, dict):
        yield from _object(value, schema, path)
    elif isinstance(value, list):
        yield from _array(value, schema, path)
    else:
        yield from _scalar(value, schema, path)


def _object(value: dict[str, Any], schema: JsonObject, path: str) -> Iterator[Violation]:
    for key in schema.get("required", ()):
        if value.get(key) is None:
            yield Violation(f"{path}.{key}", "in body is required")
    properties = schema.get("properties", {})
    inner = schema.get("additionalProperties")
    for key, item in value.items():
        if item is None:
            continue
        if key in properties:
            yield from violations(item, properties[key], f"{path}.{key}")
        elif isinstance(inner, dict):
            yield from violations(item, inner, f"{path}.{key}")


def _array(value: list[Any], schema: JsonObject, path: str) -> Iterator[Violation]:
    if "maxItems" in schema and len(value) > schema["maxItems"]:
        yield Violation(path, f"in body should have at most {schema['maxItems']} items")
    if "minItems" in schema and len(value) < schema["minItems"]:
        yield Violation(path, f"in body should have at least {schema['minItems']} items")
    for index, item in enumerate(value):
        yield from violations(item, schema.get("items", {}), f"{path}[{index}]")


def _scalar(value: Json, schema: JsonObject, path: str) -> Iterator[Violation]:
    if "enum" in schema and value not in schema["enum"]:
        yield Violation(path, f"in body should be one of [{' '.join(map(str, schema['enum']))}]")
    if isinstance(value, str):
        if len(value) < schema.get("minLength", 0):
            yield Violation(path, f"in body should be at least {schema['minLength']} chars long")
            return
        if len(value) > schema.get("maxLength", len(value)):
            yield Violation(path, f"in body should be at most {schema['maxLength']} chars long")
        if schema.get("format") == "byte" and not _is_base64(value):
            yield Violation(path, f"in body must be of type byte: {quoted(value)}")
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield Violation(path, f"in body should match '{schema['pattern']}'")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if value < schema.get("minimum", value):
            yield Violation(path, f"in body should be greater than or equal to {_number(schema['minimum'])}")
        elif value > schema.get("maximum", value):
            yield Violation(path, f"in body should be less than or equal to {_number(schema['maximum'])}")
        elif schema.get("type") == "integer":
            yield from _fits(value, schema.get("format", "int64"), path)


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return True


def _fits(value: float, form: str, path: str) -> Iterator[Violation]:
    bits = _BITS.get(form, 64)
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        yield Violation(path, f"in body must be of type integer with format {form}")


def _is(value: Json, expected: str) -> bool:
    if isinstance(value, bool):
        return expected == "boolean"
    if expected == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[expected])


def _type_name(value: Json) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return {dict: "object", list: "array", str: "string", type(None): "null"}.get(type(value), "unknown")


def _number(value: float) -> str:
    """Large numbers in exponent form, as Go prints them."""
    if abs(value) < 1e6:
        return f"{value:g}"
    mantissa, exponent = f"{value:.6e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{exponent[0]}{int(exponent[1:]):02d}"
