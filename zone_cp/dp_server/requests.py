"""Reads discovery requests off the wire, the only discovery messages that are ever parsed here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from envoy.config.core.v3 import base_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf.message import DecodeError

from ursa.discovery.messages import DeltaRequest, SotwRequest
from ursa.errors import ProtocolError

R = TypeVar("R", SotwRequest, DeltaRequest)


@dataclass(frozen=True, slots=True)
class Received(Generic[R]):
    """A request, and who says to have sent it."""

    request: R
    node: base_pb2.Node


def read_sotw(data: bytes) -> Received[SotwRequest]:
    """Reads a `DiscoveryRequest`; raises ProtocolError if it is none."""
    message = _parse(discovery_pb2.DiscoveryRequest.FromString, data)
    request = SotwRequest(
        type_url=message.type_url,
        version=message.version_info,
        names=tuple(message.resource_names),
        nonce=message.response_nonce,
        error=message.error_detail.message if message.HasField("error_detail") else None,
    )
    return Received(request, message.node)


def read_delta(data: bytes) -> Received[DeltaRequest]:
    """Reads a `DeltaDiscoveryRequest`; raises ProtocolError if it is none."""
    message = _parse(discovery_pb2.DeltaDiscoveryRequest.FromString, data)
    request = DeltaRequest(
        type_url=message.type_url,
        subscribe=tuple(message.resource_names_subscribe),
        unsubscribe=tuple(message.resource_names_unsubscribe),
        held=dict(message.initial_resource_versions),
        nonce=message.response_nonce,
        error=message.error_detail.message if message.HasField("error_detail") else None,
    )
    return Received(request, message.node)


M = TypeVar("M")


def _parse(parse: Callable[[bytes], M], data: bytes) -> M:
    try:
        return parse(data)
    except DecodeError as error:
        raise ProtocolError(f"not a discovery request: {error}") from None
