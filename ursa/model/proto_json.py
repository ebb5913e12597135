"""Between JSON and protobuf on the usual way: tables compiled per message type, and the messages' own constructor.

`json_format` looks every field up by name, value by value, which for a thousand proxies that connect is most of the
work. Here a table per message type turns a document into arguments of the message's constructor, and a message into a
document. Whatever is not plain (another spelling of a value, a type that is rare) is left to `json_format`, which
therefore stays the one definition of what is right, and of how mistakes are told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from google.protobuf import json_format
from google.protobuf.message import Message

from ursa.model.json import JsonObject
from ursa.model.timestamps import SECOND, parse_timestamp, proto_timestamp

Read: TypeAlias = Callable[[Any], Any]
"""From a JSON value to an argument of a constructor; raises NotPlain."""

Write: TypeAlias = Callable[[Any], Any]
"""From a value of a message to JSON."""

WELL_KNOWN = "google.protobuf."
"""Types of this package look different in JSON from what their fields say."""

LONGEST_TIMESTAMP = len("2006-01-02T15:04:05.000000000Z")

_DURATION = re.compile(r"(\d{1,9})(?:\.(\d{1,9}))?s")


class NotPlain(Exception):
    """This value is for `json_format` to read."""


class ProtoJson:
    """The tables of one message type and those within it."""

    def __init__(self, message: type[Message]) -> None:
        """The tables are made when they are first needed."""
        self._message = message
        self._readers: dict[str, Read] = {}
        self._writers: dict[str, Write] = {}

    def read(self, document: JsonObject) -> Message | None:
        """The message in a document, None when it is for `json_format` to read. Unknown fields are ignored."""
        try:
            return self._message(**self._reader(self._message.DESCRIPTOR)(document))
        except (NotPlain, TypeError, ValueError):
            return None

    def write(self, message: Message) -> JsonObject:
        """The canonical JSON of a message."""
        document: JsonObject = self._writer(message.DESCRIPTOR)(message)
        return document

    def _reader(self, descriptor: Any) -> Read:
        name = descriptor.full_name
        if name not in self._readers:
            # A type may contain itself; by the time the inner reader is called, the outer one is there.
            self._readers[name] = lambda value: self._readers[name](value)
            self._readers[name] = _WELL_KNOWN_READERS.get(name) or self._fields_reader(descriptor)
        return self._readers[name]

    def _fields_reader(self, descriptor: Any) -> Read:
        if descriptor.full_name.startswith(WELL_KNOWN):
            return _not_plain
        fields: dict[str, tuple[str, Read, str]] = {}
        for field in descriptor.fields:
            oneof = field.containing_oneof
            entry = (field.name, self._field_reader(field), oneof.name if oneof is not None else "")
            fields |= {field.name: entry, field.json_name: entry}

        def read(document: Any) -> dict[str, Any]:
            if not isinstance(document, Mapping):
                raise NotPlain
            arguments: dict[str, Any] = {}
            chosen: set[str] = set()
            for key, value in document.items():
                if value is None or (found := fields.get(key)) is None:
                    continue
                name, convert, oneof = found
                if name in arguments or oneof in chosen:
                    raise NotPlain
                if oneof:
                    chosen.add(oneof)
                arguments[name] = convert(value)
            return arguments

        return read

    def _field_reader(self, field: Any) -> Read:
        inner = field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            key, value = inner.fields_by_name["key"], inner.fields_by_name["value"]
            if key.cpp_type != key.CPPTYPE_STRING or value.message_type is not None:
                return _not_plain
            return _map_reader(_scalar_reader(value))
        one = self._reader(inner) if inner is not None else _scalar_reader(field)
        return _list_reader(one) if field.is_repeated else one

    def _writer(self, descriptor: Any) -> Write:
        name = descriptor.full_name
        if name not in self._writers:
            self._writers[name] = lambda value: self._writers[name](value)
            self._writers[name] = _WELL_KNOWN_WRITERS.get(name) or self._fields_writer(descriptor)
        return self._writers[name]

    def _fields_writer(self, descriptor: Any) -> Write:
        if descriptor.full_name.startswith(WELL_KNOWN):
            return _write_anything
        fields: dict[int, tuple[str, Write]] = {}
        for field in descriptor.fields:
            write = self._field_writer(field)
            if write is None:
                return _write_anything
            fields[field.number] = (field.json_name, write)

        def write_message(message: Any) -> JsonObject:
            document = {}
            for field, value in message.ListFields():
                name, convert = fields[field.number]
                document[name] = convert(value)
            return document

        return write_message

    def _field_writer(self, field: Any) -> Write | None:
        inner = field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            key, value = inner.fields_by_name["key"], inner.fields_by_name["value"]
            one = self._writer(value.message_type) if value.message_type is not None else _scalar_writer(value)
            if key.cpp_type != key.CPPTYPE_STRING or one is None:
                return None
            return _map_writer(one)
        one = self._writer(inner) if inner is not None else _scalar_writer(field)
        if one is None or not field.is_repeated:
            return one
        return _list_writer(one)


def _write_anything(message: Any) -> Any:
    """What `json_format` makes of a message, but whole numbers without a fraction, as Kuma prints them."""
    return _whole(json_format.MessageToDict(message))


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _not_plain(value: Any) -> Any:
    raise NotPlain


def _same(value: Any) -> Any:
    return value


def _list_reader(one: Read) -> Read:
    def read(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise NotPlain
        return [one(item) for item in value]

    return read


def _map_reader(one: Read) -> Read:
    def read(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise NotPlain
        return {key: one(item) for key, item in value.items()}

    return read


def _list_writer(one: Write) -> Write:
    return lambda value: [one(item) for item in value]


def _map_writer(one: Write) -> Write:
    return lambda value: {key: one(item) for key, item in value.items()}


def _exactly(kind: type) -> Read:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise NotPlain
        return value

    return read


def _integer_text(value: Any) -> int:
    """64-bit numbers travel as text."""
    if type(value) is not str or not value.isdecimal():
        raise NotPlain
    return int(value)


def _scalar_reader(field: Any) -> Read:
    plain = {
        field.CPPTYPE_STRING: str,
        field.CPPTYPE_BOOL: bool,
        field.CPPTYPE_INT32: int,
        field.CPPTYPE_UINT32: int,
        field.CPPTYPE_ENUM: str,
    }
    if field.type == field.TYPE_BYTES:
        return _not_plain
    if field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64):
        return _integer_text
    return _exactly(plain[field.cpp_type]) if field.cpp_type in plain else _not_plain


def _scalar_writer(field: Any) -> Write | None:
    if field.type == field.TYPE_BYTES:
        return None
    if field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64):
        return str
    if field.cpp_type == field.CPPTYPE_ENUM:
        names = {number: value.name for number, value in field.enum_type.values_by_number.items()}
        return lambda number: names.get(number, number)
    plain = (field.CPPTYPE_STRING, field.CPPTYPE_BOOL, field.CPPTYPE_INT32, field.CPPTYPE_UINT32)
    return _same if field.cpp_type in plain else None


def _read_timestamp(value: Any) -> dict[str, int]:
    nanoseconds = parse_timestamp(value) if type(value) is str and len(value) <= LONGEST_TIMESTAMP else 0
    if not nanoseconds:
        raise NotPlain
    return {"seconds": nanoseconds // SECOND, "nanos": nanoseconds % SECOND}


def _write_timestamp(value: Any) -> str:
    return proto_timestamp(value.seconds * SECOND + value.nanos)


def _read_duration(value: Any) -> dict[str, int]:
    found = _DURATION.fullmatch(value) if type(value) is str else None
    if found is None:
        raise NotPlain
    return {"seconds": int(found[1]), "nanos": int((found[2] or "").ljust(9, "0"))}


def _read_wrapped(kind: type) -> Read:
    one = _exactly(kind)
    return lambda value: {"value": one(value)}


_WELL_KNOWN_READERS: Mapping[str, Read] = {
    "google.protobuf.Timestamp": _read_timestamp,
    "google.protobuf.Duration": _read_duration,
    "google.protobuf.Struct": _exactly(dict),
    "google.protobuf.BoolValue": _read_wrapped(bool),
    "google.protobuf.StringValue": _read_wrapped(str),
    "google.protobuf.UInt32Value": _read_wrapped(int),
    "google.protobuf.Int32Value": _read_wrapped(int),
}

_WELL_KNOWN_WRITERS: Mapping[str, Write] = {
    "google.protobuf.Timestamp": _write_timestamp,
    "google.protobuf.BoolValue": lambda wrapped: wrapped.value,
    "google.protobuf.StringValue": lambda wrapped: wrapped.value,
    "google.protobuf.UInt32Value": lambda wrapped: wrapped.value,
    "google.protobuf.Int32Value": lambda wrapped: wrapped.value,
}
