"""Specs between three forms: what users write, the canonical JSON that is stored, and the bytes that cross KDS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson

from ursa.errors import BadRequest, ProtocolError
from ursa.model.duration import format_proto, parse_go
from ursa.model.json import Definitions, JsonObject
from ursa.model.proto_schema import definitions
from ursa.model.quoting import quoted

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ursa.model.proto_json import ProtoJson

DURATION = "google.protobuf.Duration"
ENCODED = 256
"""Specs of a message whose bytes are remembered: what comes from the store is checked, and soon after offered to peers,
in the same form."""

TYPE_URL_PREFIX = "type.googleapis.com/"


class ProtoSpec:
    """A spec that is a protobuf message; its canonical JSON is the proto3 mapping.

    Protobuf is loaded when a message is first needed, since clients that only name kinds never need one.
    """

    flat = True

    def __init__(self, module: str, message: str) -> None:
        """Args: the generated module below `ursa.wire` and the message in it; both are loaded on first use."""
        self._module, self._message = module, message
        self._encoded: dict[int, tuple[JsonObject, bytes]] = {}
        """By identity of the spec, which never changes in place; held with it, so that the identity stays its own."""

    @cached_property
    def _type(self) -> type[Message]:
        from importlib import import_module

        found: type[Message] = getattr(import_module(f"ursa.wire.{self._module}"), self._message)
        return found

    @cached_property
    def _json(self) -> ProtoJson:
        from ursa.model.proto_json import ProtoJson

        return ProtoJson(self._type)

    @property
    def type_url(self) -> str:
        return TYPE_URL_PREFIX + str(self._type.DESCRIPTOR.full_name)

    def normalise(self, document: JsonObject) -> JsonObject:
        if (plain := self._json.read(document)) is not None:
            return self._json.write(plain)
        from google.protobuf import json_format

        message = self._type()
        try:
            readable = _readable(document, message.DESCRIPTOR)
            json_format.ParseDict(readable, message, ignore_unknown_fields=True)
        except json_format.ParseError as error:
            raise BadRequest(_shorten(str(error))) from None
        return self._json.write(message)

    def encode(self, spec: JsonObject) -> bytes:
        known = self._encoded.get(id(spec))
        if known is None or known[0] is not spec:
            known = (spec, self._encode(spec))
            self._encoded[id(spec)] = known
            if len(self._encoded) > ENCODED:
                del self._encoded[next(iter(self._encoded))]
        return known[1]

    def _encode(self, spec: JsonObject) -> bytes:
        message = self._json.read(spec)
        if message is None:
            from google.protobuf import json_format

            _check_objects(spec, self._type.DESCRIPTOR)
            try:
                message = json_format.ParseDict(dict(spec), self._type(), ignore_unknown_fields=True)
            except json_format.ParseError as error:
                raise ValueError(str(error)) from None
        return message.SerializeToString(deterministic=True)

    def decode(self, data: bytes) -> JsonObject:
        from google.protobuf.message import DecodeError

        message = self._type()
        try:
            message.ParseFromString(data)
        except DecodeError as error:
            raise ProtocolError(f"not a {self._message}: {error}") from None
        return self._json.write(message)

    def schema(self, prefix: str) -> tuple[JsonObject, Definitions]:
        found = definitions(self._type.DESCRIPTOR, prefix)
        return {"$ref": f"{prefix}{self._type.DESCRIPTOR.full_name}"}, found


class JsonSpec:
    """A spec that is a JSON document of its own; its schema (`Kind.schema`) makes it canonical on the way in."""

    flat = False
    type_url = ""

    def normalise(self, document: JsonObject) -> JsonObject:
        return document

    def encode(self, spec: JsonObject) -> bytes:
        return escape_html(orjson.dumps(spec))

    def decode(self, data: bytes) -> JsonObject:
        try:
            document = orjson.loads(data or b"{}")
        except orjson.JSONDecodeError as error:
            raise ProtocolError(f"spec is not JSON: {error}") from None
        if not isinstance(document, dict):
            raise ProtocolError("spec is not a JSON object")
        return document

    def schema(self, prefix: str) -> tuple[JsonObject, Definitions]:
        return {"type": "object"}, {}


def escape_html(data: bytes) -> bytes:
    """JSON with `<`, `>` and `&` escaped, as Go's encoder writes it."""
    return data.replace(b"<", b"\\u003c").replace(b">", b"\\u003e").replace(b"&", b"\\u0026")


def _readable(document: Any, message: Any) -> Any:
    """The document as the protobuf parser understands it.

    Kuma reads durations as Go does (`25ms`, `1h30m`), which the JSON mapping does not know; and unknown fields may be
    ignored, unknown enum values may not, while the parser would ignore both.
    """
    if not isinstance(document, Mapping):
        return document
    fields = {f.name: f for f in message.fields} | {f.json_name: f for f in message.fields}
    readable = dict(document)
    for key in document.keys() & fields.keys():
        readable[key] = _readable_field(document[key], fields[key])
    return readable


def _readable_field(value: Any, field: Any) -> Any:
    if isinstance(value, list):
        return [_readable_field(one, field) for one in value]
    if field.enum_type is not None:
        if isinstance(value, str) and value not in field.enum_type.values_by_name:
            name = quoted(quoted(value))  # Kuma quotes the JSON text of the value
            raise BadRequest(f"unknown value {name} for enum {field.enum_type.full_name}")
        return value
    if field.message_type is None or field.message_type.GetOptions().map_entry:
        return value
    if field.message_type.full_name == DURATION:
        return _readable_duration(value)
    return _readable(value, field.message_type)


def _check_objects(document: JsonObject, message: Any, *, path: str = "") -> None:
    """Raises ValueError when something else stands where an object should: the parser takes it for an empty one."""
    fields = {f.name: f for f in message.fields} | {f.json_name: f for f in message.fields}
    for key in document.keys() & fields.keys():
        inner = fields[key].message_type
        if inner is None or inner.GetOptions().map_entry or inner.full_name.startswith("google.protobuf."):
            continue
        value = document[key]
        for one in value if fields[key].is_repeated and isinstance(value, list) else [value]:
            if one is None:
                continue
            if not isinstance(one, Mapping):
                raise ValueError(f"{path}Failed to parse {key} field: not an object")
            _check_objects(one, inner, path=f"{path}Failed to parse {key} field: ")


def _readable_duration(value: Any) -> Any:
    try:
        return format_proto(parse_go(value)) if isinstance(value, str) else value
    except ValueError:
        return value  # the parser's own message names the field


_LOCATION = re.compile(r"^Failed to parse (\S+) field: ")


def _shorten(text: str) -> str:
    return _LOCATION.sub(r"\1: ", text).rstrip(".")
