"""The short way between JSON and protobuf against the long one: whatever is read or written must come out the same."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from ursa.catalog import default_registry
from ursa.model.codec import ProtoSpec
from ursa.model.proto_json import ProtoJson
from ursa.wire import mesh_pb2

CODECS = {kind.name: kind.codec for kind in default_registry() if isinstance(kind.codec, ProtoSpec)}
TYPES: dict[str, type[Message]] = {name: codec._type for name, codec in CODECS.items()}

ODD: tuple[Any, ...] = (
    None,
    0,
    1,
    -1,
    1.0,
    1.5,
    True,
    "",
    "1",
    "x",
    [],
    [None],
    {},
    {"a": None},
    "1s",
    "5ms",
    "NotReady",
)


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(sorted(TYPES)), st.randoms(use_true_random=False))
def test_messages_come_out_as_the_long_way_writes_them(name: str, rng: random.Random) -> None:
    message = TYPES[name]()
    fill(message, rng, depth=4)
    document = json_format.MessageToDict(message)
    assert ProtoJson(TYPES[name]).write(message) == document
    read = ProtoJson(TYPES[name]).read(document)
    assert read is None or read == json_format.ParseDict(document, TYPES[name]())


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(TYPES)), st.randoms(use_true_random=False))
def test_spoilt_documents_are_read_alike_or_left_to_the_long_way(name: str, rng: random.Random) -> None:
    message = TYPES[name]()
    fill(message, rng, depth=4)
    document = json_format.MessageToDict(message)
    spoil(document, rng)
    read = ProtoJson(TYPES[name]).read(document)
    if read is not None:
        assert read == json_format.ParseDict(document, TYPES[name](), ignore_unknown_fields=True)


def test_what_every_proxy_brings_goes_the_short_way() -> None:
    outbound = [{"port": 10000, "tags": {"kuma.io/service": "web"}}]
    inbound = [{"port": 80, "tags": {"kuma.io/service": "web"}, "state": "NotReady", "health": {"ready": True}}]
    dataplane = {"networking": {"address": "10.0.0.1", "inbound": inbound, "outbound": outbound}}
    assert ProtoJson(mesh_pb2.Dataplane).read(dataplane) is not None
    subscription = {"connectTime": "2026-01-01T00:00:00.500Z", "status": {"total": {"responsesSent": "3"}}}
    insight = {"subscriptions": [subscription], "metadata": {"features": ["a"], "version": {"envoy": {}}}}
    assert ProtoJson(mesh_pb2.DataplaneInsight).read(insight) is not None


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00.1234567891Z", "2026-13-01T00:00:00Z", "yesterday", 5])
def test_broken_timestamps_are_left_to_the_long_way(text: object) -> None:
    assert ProtoJson(mesh_pb2.DataplaneInsight).read({"subscriptions": [{"connectTime": text}]}) is None


def fill(message: Message, rng: random.Random, *, depth: int) -> None:
    """Sets some fields of a message to some values."""
    descriptor = message.DESCRIPTOR
    if descriptor.full_name == "google.protobuf.Timestamp":
        json_format.Parse(rng.choice(['"2026-01-01T00:00:00Z"', '"2001-09-09T01:46:41.000000001Z"']), message)
        return
    if descriptor.full_name == "google.protobuf.Duration":
        json_format.Parse(rng.choice(['"5s"', '"0.250s"', '"-3s"', '"3600.000000001s"']), message)
        return
    if descriptor.full_name == "google.protobuf.Struct":
        json_format.ParseDict({"a": [1, {"b": None}, "c"], "d": {"e": True, "f": 1.5}, "g": rng.choice(ODD)}, message)
        return
    if descriptor.full_name == "google.protobuf.Any":
        return
    for field in descriptor.fields:
        if rng.random() < 0.5 and not (depth == 0 and field.message_type is not None):
            put(message, field, rng, depth)


def put(message: Any, field: Any, rng: random.Random, depth: int) -> None:
    """Sets one field."""
    target = getattr(message, field.name)
    inner = field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        for key in rng.sample("abc", 2):
            value = inner.fields_by_name["value"]
            if value.message_type is not None:
                fill(target[key], rng, depth=depth - 1)
            else:
                target[key] = scalar(value, rng)
    elif field.is_repeated:
        for _ in range(rng.randrange(3)):
            if inner is not None:
                fill(target.add(), rng, depth=depth - 1)
            else:
                target.append(scalar(field, rng))
    elif inner is not None:
        target.SetInParent()
        fill(target, rng, depth=depth - 1)
    else:
        setattr(message, field.name, scalar(field, rng))


def scalar(field: Any, rng: random.Random) -> Any:
    """A value of a field's type."""
    if field.type == field.TYPE_BYTES:
        return rng.choice([b"", b"\xff\x00"])
    if field.cpp_type == field.CPPTYPE_ENUM:
        return rng.choice([*field.enum_type.values_by_number, 99])
    if field.cpp_type == field.CPPTYPE_STRING:
        return rng.choice(["", "a", "ä€"])
    if field.cpp_type == field.CPPTYPE_BOOL:
        return rng.random() < 0.5
    if field.cpp_type in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
        return rng.choice([0.0, 1.0, 0.1, -2.5])
    return rng.choice([0, 1, 8080, 2**31 - 1])


def spoil(document: dict[str, Any], rng: random.Random) -> None:
    """Replaces a value somewhere, or adds a key."""
    places = list(containers(document))
    container = rng.choice(places)
    if isinstance(container, list):
        container.append(rng.choice(ODD))
    elif container and rng.random() < 0.7:
        container[rng.choice(sorted(container))] = rng.choice(ODD)
    else:
        container[rng.choice(["name", "unknown", "networking", "port_name", "exact", "prefix"])] = rng.choice(ODD)


def containers(value: Any) -> Iterator[Any]:
    """The document and everything in it that holds something."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from containers(inner)
    elif isinstance(value, list):
        yield value
        for inner in value:
            yield from containers(inner)
