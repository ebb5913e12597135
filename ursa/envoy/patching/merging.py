"""How a patch gets into a message: scalars replace, lists grow, messages are merged field by field.

Protobuf's own merging would add up durations field by field and could not turn a wrapped `true` into `false`, so
that values in a message of their own are replaced as scalars are. So is what is packed: it may be of another type.
"""

from __future__ import annotations

from typing import Any as Untyped

from google.protobuf import symbol_database
from google.protobuf.any_pb2 import Any
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from ursa.envoy.values import packed
from ursa.errors import BadRequest

_VALUES = frozenset(
    f"google.protobuf.{name}"
    for name in (
        "Any",
        "BoolValue",
        "BytesValue",
        "DoubleValue",
        "Duration",
        "FloatValue",
        "Int32Value",
        "Int64Value",
        "StringValue",
        "Timestamp",
        "UInt32Value",
        "UInt64Value",
    )
)


def merge(target: Message, patch: Message) -> None:
    """Merges `patch` into `target`, a message of the same type."""
    for field, value in patch.ListFields():
        if _is_map(field):
            _merge_map(getattr(target, field.name), value)
        elif field.is_repeated:
            getattr(target, field.name).extend(value)
        elif field.message_type is None:
            setattr(target, field.name, value)
        elif field.message_type.full_name in _VALUES:
            getattr(target, field.name).CopyFrom(value)
        else:
            inner = getattr(target, field.name)
            inner.SetInParent()
            merge(inner, value)


def merge_packed(target: Any, patch: Any) -> None:
    """Merges what is packed; both have to be of the same type.

    Raises:
        BadRequest: they are not.
    """
    if target.type_url != patch.type_url:
        raise BadRequest(f'"{patch.TypeName()}" cannot be merged into "{target.TypeName()}"')
    message = unpacked(target)
    merge(message, unpacked(patch))
    repack(target, message)


def unpacked(of: Any) -> Message:
    """The message inside.

    Raises:
        BadRequest: nobody knows its type.
    """
    try:
        message: Message = symbol_database.Default().GetSymbol(of.TypeName())()
    except KeyError as error:
        raise BadRequest(f'unknown message type "{of.TypeName()}"') from error
    message.ParseFromString(of.value)
    return message


def repack(target: Any, message: Message) -> None:
    """Puts another message inside."""
    target.CopyFrom(Any(**packed(message)))


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _merge_map(target: Untyped, patch: Untyped) -> None:
    for key, value in patch.items():
        if isinstance(value, Message):
            target[key].CopyFrom(value)
        else:
            target[key] = value
