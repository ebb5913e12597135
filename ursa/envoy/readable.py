"""Resources as people read them: Envoy's JSON, with everything that is packed unpacked and without keys.

What is secret is known from Envoy's own field annotations, so a new field needs no change here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any as Untyped

from envoy.service.discovery.v3.discovery_pb2 import DiscoveryResponse
from google.protobuf import symbol_database
from google.protobuf.any_pb2 import Any
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from udpa.annotations import sensitive_pb2

REDACTED = "[redacted]"


def readable(framed: Iterable[bytes]) -> list[dict[str, Untyped]]:
    """The JSON of resources, each in the form in which a discovery response holds it."""
    return [MessageToDict(_without_secrets(p)) for p in DiscoveryResponse.FromString(b"".join(framed)).resources]


def _without_secrets(packed: Any) -> Message:
    message: Message = symbol_database.Default().GetSymbol(packed.TypeName())()
    message.ParseFromString(packed.value)
    _redact(message, secret=False)
    return message


def _redact(message: Message, *, secret: bool) -> None:
    """Replaces what is secret, everything when the message as a whole is."""
    if isinstance(message, Any):
        message.Pack(_without_secrets(message), deterministic=True)
        return
    for field, value in message.ListFields():
        hidden = secret or field.GetOptions().Extensions[sensitive_pb2.sensitive]
        for inside in _messages(field, value):
            _redact(inside, secret=hidden)
        if hidden and isinstance(value, str | bytes):
            setattr(message, field.name, REDACTED if isinstance(value, str) else REDACTED.encode())


def _messages(field: FieldDescriptor, value: Untyped) -> Iterable[Message]:
    if field.message_type is None:
        return ()
    if field.message_type.GetOptions().map_entry:
        return [inside for inside in value.values() if isinstance(inside, Message)]
    return [value] if isinstance(value, Message) else value
