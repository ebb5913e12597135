"""Resources as people read them: Envoy's JSON, with everything that is packed unpacked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any as Untyped

from envoy.service.discovery.v3.discovery_pb2 import DiscoveryResponse
from google.protobuf import symbol_database
from google.protobuf.json_format import MessageToDict


def readable(framed: Iterable[bytes]) -> list[dict[str, Untyped]]:
    """The JSON of resources, each in the form in which a discovery response holds it."""
    symbols = symbol_database.Default()
    found = []
    for packed in DiscoveryResponse.FromString(b"".join(framed)).resources:
        message = symbols.GetSymbol(packed.TypeName())()
        message.ParseFromString(packed.value)
        found.append(MessageToDict(message))
    return found
