"""The JSON schema of a protobuf message, so that kinds of either sort can be described to clients."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from ursa.model.json import Definitions, JsonObject

_DURATION: JsonObject = {"type": "string", "description": "1h30m, 500ms or 5s"}
_NUMBER: JsonObject = {"type": "number"}
_WELL_KNOWN: MappingProxyType[str, JsonObject] = MappingProxyType(
    {
        "google.protobuf.Duration": _DURATION,
        "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
        "google.protobuf.Struct": {"type": "object"},
        "google.protobuf.Value": {},
        "google.protobuf.ListValue": {"type": "array"},
        "google.protobuf.Any": {"type": "object"},
        "google.protobuf.BoolValue": {"type": "boolean"},
        "google.protobuf.StringValue": {"type": "string"},
        "google.protobuf.BytesValue": {"type": "string", "contentEncoding": "base64"},
        "google.protobuf.DoubleValue": _NUMBER,
        "google.protobuf.FloatValue": _NUMBER,
        "google.protobuf.Int32Value": {"type": "integer"},
        "google.protobuf.UInt32Value": {"type": "integer", "minimum": 0},
        "google.protobuf.Int64Value": {"type": ["string", "integer"]},
        "google.protobuf.UInt64Value": {"type": ["string", "integer"]},
    }
)
"""Messages that JSON writes otherwise than field by field."""


def definitions(descriptor: Any, prefix: str) -> Definitions:
    """Schemas of a message and of all messages in it, by full name; they refer to each other below `prefix`."""
    found: Definitions = {}
    waiting = [descriptor]
    while waiting:
        message = waiting.pop()
        if message.full_name in found or message.full_name in _WELL_KNOWN:
            continue
        found[message.full_name] = {
            "type": "object",
            "properties": {field.json_name: _field(field, prefix) for field in message.fields},
        }
        waiting += [inner for field in message.fields if (inner := _inner(field)) is not None]
    return found


def _inner(field: Any) -> Any:
    """The message that a field holds, that of the values if it is a map; None if it holds none."""
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        return message.fields_by_name["value"].message_type
    return message


def _field(field: Any, prefix: str) -> JsonObject:
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        return {"type": "object", "additionalProperties": _one(message.fields_by_name["value"], prefix)}
    one = _one(field, prefix)
    return {"type": "array", "items": one} if field.is_repeated else one


def _one(field: Any, prefix: str) -> JsonObject:
    """The schema of one value of a field."""
    if field.message_type is not None:
        name = field.message_type.full_name
        return _WELL_KNOWN.get(name) or {"$ref": f"{prefix}{name}"}
    if field.enum_type is not None:
        return {"type": "string", "enum": [value.name for value in field.enum_type.values]}
    if field.type == field.TYPE_BYTES:
        return {"type": "string", "contentEncoding": "base64"}
    plain: dict[int, JsonObject] = {
        field.CPPTYPE_STRING: {"type": "string"},
        field.CPPTYPE_BOOL: {"type": "boolean"},
        field.CPPTYPE_INT32: {"type": "integer"},
        field.CPPTYPE_UINT32: {"type": "integer", "minimum": 0},
        field.CPPTYPE_INT64: {"type": ["string", "integer"]},
        field.CPPTYPE_UINT64: {"type": ["string", "integer"]},
        field.CPPTYPE_FLOAT: _NUMBER,
        field.CPPTYPE_DOUBLE: _NUMBER,
    }
    return plain[field.cpp_type]
