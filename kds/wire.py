"""Delta discovery messages as values, so that sessions never handle protobuf objects.

Responses are written by hand from frames: the bytes of a resource are made once and shared by all zones that get it.
The order of fields equals that of Kuma's own messages (`tests/unit/kds/test_wire.py` compares them byte by byte).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf.json_format import Error as JsonFormatError
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import DecodeError

from kds import features
from ursa.discovery.framing import field
from ursa.errors import ProtocolError
from ursa.model.json import Json, JsonObject

ENVELOPE_URL = "type.googleapis.com/kuma.mesh.v1alpha1.KumaResource"
"""Type of every resource on a KDS stream; what it carries is named by the message around it."""

WILDCARD = "*"

VERSION = frozenset({"version", "gitTag", "gitCommit", "buildDate"})
"""What a control plane says of its version."""

HEARTBEAT = "ursa.Heartbeat"
"""A type that does not exist. Who is asked for it answers that there is nothing, and thereby that it lives."""


@dataclass(frozen=True, slots=True)
class Request:
    """A DeltaDiscoveryRequest.

    Attributes:
        kind: bare type name.
        node: `node.id`; Kuma dies of a request without one, so it is always sent.
        nonce: of the response that is answered, empty on a first request.
        wildcard: whether everything is subscribed.
        held: name → version of what the requester has already.
        error: reason of a NACK, None on anything else.
        metadata: `node.metadata`, sent once per stream.
    """

    kind: str
    node: str
    nonce: str = ""
    wildcard: bool = False
    held: Mapping[str, str] = dataclasses.field(default_factory=dict)
    error: str | None = None
    metadata: JsonObject = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item:
    """One resource of a response: name on the wire, opaque version, and the bytes of its envelope."""

    name: str
    version: str
    type_url: str
    envelope: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """A DeltaDiscoveryResponse.

    Attributes:
        kind: bare type name.
        nonce: to be answered with.
        items: resources that are new or changed.
        removed: wire names of those that are gone.
        stamp: `<epoch>@<revision>` of the sender's state that this completes; Kuma sends none.
    """

    kind: str
    nonce: str
    items: tuple[Item, ...]
    removed: tuple[str, ...]
    stamp: str = ""


def encode_request(request: Request) -> bytes:
    """Deterministic bytes of a request."""
    message = discovery_pb2.DeltaDiscoveryRequest(
        type_url=request.kind,
        resource_names_subscribe=[WILDCARD] if request.wildcard else [],
        initial_resource_versions=request.held,
        response_nonce=request.nonce,
    )
    message.node.id = request.node
    if request.metadata:
        ParseDict(dict(request.metadata), message.node.metadata)
    if request.error is not None:
        message.error_detail.message = request.error
    return bytes(message.SerializeToString(deterministic=True))


def decode_request(data: bytes) -> Request:
    """A request from its bytes; a missing node is tolerated, the stream's metadata tells who speaks.

    Raises:
        ProtocolError: the bytes are no request.
    """
    try:
        message = discovery_pb2.DeltaDiscoveryRequest.FromString(data)
        metadata = _shaped(MessageToDict(message.node.metadata)) if message.node.HasField("metadata") else {}
    except (DecodeError, JsonFormatError, ValueError) as error:
        raise ProtocolError(f"not a delta discovery request: {error}") from None
    return Request(
        kind=message.type_url,
        node=message.node.id,
        nonce=message.response_nonce,
        # A first request that names nothing asks for everything, too.
        wildcard=not message.response_nonce or WILDCARD in message.resource_names_subscribe,
        held=dict(message.initial_resource_versions),
        error=message.error_detail.message if message.HasField("error_detail") else None,
        metadata=metadata,
    )


def _shaped(metadata: JsonObject) -> JsonObject:
    """Node metadata without what has not the shape it must have: who says odd things of itself is served, too."""
    shaped: dict[str, Json] = {}
    for key, value in metadata.items():
        match key, value:
            case (("config" | "control-plane-id"), str()):
                shaped[key] = value
            case ((features.KEY | features.QUIET), list()):
                shaped[key] = [one for one in value if isinstance(one, str)]
            case "version", {"kumaCp": dict() as about}:
                told = {name: text for name, text in about.items() if name in VERSION and isinstance(text, str)}
                shaped[key] = {"kumaCp": told}
    return shaped


def frame(name: str, version: str, envelope: bytes) -> bytes:
    """A resource as the piece of a response that it will be: made once, sent to many."""
    resource = field(1, ENVELOPE_URL) + field(2, envelope)
    return field(2, field(1, version) + field(2, resource) + field(3, name))


def join_response(
    kind: str, nonce: str, frames: Iterable[bytes], removed: Iterable[str], *, identifier: str, stamp: str = ""
) -> bytes:
    """A response made of frames."""
    own = (field(4, kind), field(5, nonce), *(field(6, name) for name in removed), field(7, field(1, identifier)))
    return b"".join((*((field(1, stamp),) if stamp else ()), *frames, *own))


def decode_response(data: bytes) -> Response:
    """A response from its bytes; envelopes stay encoded so that a bad one spoils nothing but itself.

    Raises:
        ProtocolError: the bytes are no response.
    """
    try:
        message = discovery_pb2.DeltaDiscoveryResponse.FromString(data)
    except DecodeError as error:
        raise ProtocolError(f"not a delta discovery response: {error}") from None
    return Response(
        kind=message.type_url,
        nonce=message.nonce,
        items=tuple(
            Item(item.name, item.version, item.resource.type_url, item.resource.value) for item in message.resources
        ),
        removed=tuple(message.removed_resources),
        stamp=message.system_version_info,
    )
