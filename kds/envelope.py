"""A resource in the envelope in which it crosses KDS, and back; everything about one kind comes from its `Kind`."""

from __future__ import annotations

import hashlib

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.json_format import Error as JsonFormatError
from google.protobuf.message import DecodeError

from kds.wire import ENVELOPE_URL, Item
from ursa.errors import ProtocolError
from ursa.model.json import JsonObject
from ursa.model.kind import Kind, SpecCodec
from ursa.model.resource import Resource, ResourceKey
from ursa.wire import mesh_pb2


def wire_name(mesh: str, name: str) -> str:
    """The name of a resource in discovery messages; ends with a dot for kinds of global scope."""
    return f"{name}.{mesh}"


def key_of(kind: str, wire: str) -> ResourceKey:
    """The key behind a wire name. Names may contain dots, meshes may not: the last dot divides."""
    name, _, mesh = wire.rpartition(".")
    return ResourceKey(kind, mesh, name)


def encode_envelope(resource: Resource, kind: Kind) -> bytes:
    """Deterministic bytes: equal content gives equal bytes, which is what versions are made of.

    Raises:
        ProtocolError: the spec or status does not fit its wire format.
    """
    message = mesh_pb2.KumaResource()
    message.meta.name = resource.name
    message.meta.mesh = resource.mesh
    message.meta.labels.update(resource.labels)
    try:
        message.spec.CopyFrom(_pack(kind.codec, resource.spec))
        if kind.status_codec is not None:
            message.status.CopyFrom(_pack(kind.status_codec, resource.status or {}))
    except (JsonFormatError, TypeError, ValueError) as error:
        raise ProtocolError(f"cannot encode {resource.key}: {error}") from None
    return message.SerializeToString(deterministic=True)


def version_of(envelope: bytes) -> str:
    """The version of a resource on the wire, computed as Kuma does, so that both ends can compute it."""
    return hashlib.sha256(envelope).hexdigest()


def decode_envelope(item: Item, kind: Kind) -> Resource:
    """The resource in one item of a response.

    Raises:
        ProtocolError: this item cannot be read; others of the same response may be fine.
    """
    if item.type_url != ENVELOPE_URL:
        raise ProtocolError(f"unexpected resource type {item.type_url!r}")
    try:
        message = mesh_pb2.KumaResource.FromString(item.envelope)
    except DecodeError as error:
        raise ProtocolError(f"not an envelope: {error}") from None
    meta = message.meta
    if wire_name(meta.mesh, meta.name) != item.name:
        raise ProtocolError(f"envelope of {wire_name(meta.mesh, meta.name)!r} under the name {item.name!r}")
    if bool(meta.mesh) is kind.global_scope:
        raise ProtocolError("mesh is missing" if not kind.global_scope else "a global kind has no mesh")
    status = None
    if kind.status_codec is not None:
        status = _unpack(kind.status_codec, message.status) if message.HasField("status") else {}
    return Resource(kind.name, meta.mesh, meta.name, _unpack(kind.codec, message.spec), dict(meta.labels), status)


def _pack(codec: SpecCodec, document: JsonObject) -> AnyMessage:
    return AnyMessage(type_url=codec.type_url, value=codec.encode(document))


def _unpack(codec: SpecCodec, packed: AnyMessage) -> JsonObject:
    if packed.type_url != codec.type_url:
        raise ProtocolError(f"spec has type {packed.type_url!r} instead of {codec.type_url!r}")
    return codec.decode(packed.value)
