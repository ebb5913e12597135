"""The three questions about a proxy that the global asks through a zone (`spec/kds.md` §8.1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from google.protobuf.message import DecodeError

from ursa.errors import ProtocolError
from ursa.wire import mesh_pb2

RequestMessage: TypeAlias = mesh_pb2.XDSConfigRequest | mesh_pb2.StatsRequest | mesh_pb2.ClustersRequest
ResponseMessage: TypeAlias = mesh_pb2.XDSConfigResponse | mesh_pb2.StatsResponse | mesh_pb2.ClustersResponse


@dataclass(frozen=True, slots=True)
class AdminQuery:
    """One question.

    Attributes:
        call: key in `CALLS`.
        kind: `Dataplane`, `ZoneIngress` or `ZoneEgress`.
        mesh: empty for zone proxies.
        name: of the proxy *in its zone*.
        include_eds: configuration only: with endpoints.
        as_json: statistics and clusters: JSON instead of text.
        used_only: statistics only: without those never touched.
    """

    call: str
    kind: str
    mesh: str
    name: str
    include_eds: bool = False
    as_json: bool = False
    used_only: bool = False


AdminHandler: TypeAlias = Callable[[AdminQuery], Awaitable[bytes]]
"""Asks a proxy of this zone; raises UrsaError with a text for the person who asked."""


@dataclass(frozen=True, slots=True)
class AdminCall:
    """One kind of question: its stream, its messages, the name of the answer's field and how errors call it."""

    stream: str
    request: type[RequestMessage]
    response: type[ResponseMessage]
    result: str
    title: str


CONFIG, STATS, CLUSTERS = "config", "stats", "clusters"

CALLS = {
    CONFIG: AdminCall(
        "StreamXDSConfigs", mesh_pb2.XDSConfigRequest, mesh_pb2.XDSConfigResponse, "config", "XDS Config Dump"
    ),
    STATS: AdminCall("StreamStats", mesh_pb2.StatsRequest, mesh_pb2.StatsResponse, "stats", "Stats"),
    CLUSTERS: AdminCall("StreamClusters", mesh_pb2.ClustersRequest, mesh_pb2.ClustersResponse, "clusters", "Clusters"),
}


REACH = "ursa.Reach"
"""A kind of proxy that is none: the zone is asked whether it reaches the ingress of another zone, `host:port`.
Between replicas of the global the mesh is the zone that is asked."""

PARTS = "parts:"
"""How a request id begins whose answer may come in parts. Kuma's zones give ids back as they are and answer whole."""

MORE = "+"
"""What is added to the request id of every part but the last one."""


def encode_query(query: AdminQuery, request_id: str) -> bytes:
    """A question as bytes."""
    message = CALLS[query.call].request(
        request_id=request_id, resource_type=query.kind, resource_name=query.name, resource_mesh=query.mesh
    )
    if isinstance(message, mesh_pb2.XDSConfigRequest):
        message.include_eds = query.include_eds
    elif query.as_json:
        message.format = mesh_pb2.JSON
    if isinstance(message, mesh_pb2.StatsRequest):
        message.used_only = query.used_only
    return message.SerializeToString()


def decode_query(call: str, data: bytes) -> tuple[str, AdminQuery]:
    """Request id and question; raises ProtocolError."""
    try:
        message = CALLS[call].request.FromString(data)
    except DecodeError as error:
        raise ProtocolError(f"not an admin request: {error}") from None
    return message.request_id, AdminQuery(
        call,
        message.resource_type,
        message.resource_mesh,
        message.resource_name,
        include_eds=isinstance(message, mesh_pb2.XDSConfigRequest) and message.include_eds,
        as_json=not isinstance(message, mesh_pb2.XDSConfigRequest) and message.format == mesh_pb2.JSON,
        used_only=isinstance(message, mesh_pb2.StatsRequest) and message.used_only,
    )


def encode_answer(call: str, request_id: str, result: bytes = b"", error: str = "") -> bytes:
    """An answer as bytes: a result or an error."""
    field = {"error": error} if error else {CALLS[call].result: result}
    return CALLS[call].response(request_id=request_id, **field).SerializeToString()


def decode_answer(call: str, data: bytes) -> tuple[str, bytes, str]:
    """Request id, result and error; raises ProtocolError."""
    try:
        message = CALLS[call].response.FromString(data)
    except DecodeError as error:
        raise ProtocolError(f"not an admin response: {error}") from None
    return message.request_id, bytes(getattr(message, CALLS[call].result)), message.error
