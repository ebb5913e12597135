"""What a proxy says about itself in the Envoy node of its first request (`spec/dataplane.md` §3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from envoy.config.core.v3 import base_pb2
from google.protobuf import struct_pb2

from ursa.errors import BadRequest
from ursa.model.json import Json, JsonObject

KINDS = frozenset({"dataplane", "ingress", "egress"})
MAX_READINESS_PORT = 65353
"""Not 65535: Kuma's check and its text carry this number."""


@dataclass(frozen=True, slots=True)
class TransparentProxy:
    """Redirection as it was really installed next to the proxy."""

    ip_family_mode: str
    inbound_enabled: bool
    inbound_port: int
    outbound_enabled: bool
    outbound_port: int
    dns_enabled: bool
    dns_port: int


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """A proxy by its own account. Ports are 0 and texts empty when it does not say.

    Attributes:
        mesh: empty for zone proxies.
        kind: `dataplane`, `ingress` or `egress`.
        resource_text: the proxy's own resource as JSON or YAML, when it brings one.
        version: launcher and Envoy versions as an insight shows them.
        metadata: all metadata as plain JSON.
    """

    id: str
    mesh: str
    name: str
    kind: str
    resource_text: str
    admin_port: int
    admin_address: str
    dns_port: int
    readiness_port: int
    features: frozenset[str]
    workdir: str
    ipv6: bool
    system_ca_path: str
    transparent_proxy: TransparentProxy | None
    version: JsonObject
    metadata: JsonObject
    metrics_cert_path: str
    metrics_key_path: str
    app_probe_proxy: bool
    spire_socket_path: str
    dynamic_metadata: Mapping[str, str]


def read_node(node: base_pb2.Node) -> NodeInfo:
    """Reads a node.

    Raises:
        BadRequest: with the text that Kuma gives.
    """
    _identity(node.id)
    if not node.HasField("metadata"):
        raise BadRequest("metadata in xDS Node cannot be nil")
    return node_info(node.id, _object(node.metadata))


def node_info(node_id: str, metadata: JsonObject) -> NodeInfo:
    """Reads the metadata of a node, as it was sent or as an insight keeps it.

    Raises:
        BadRequest: with the text that Kuma gives.
    """
    mesh, name = _identity(node_id)
    kind = _text(metadata, "dataplane.proxyType") or "dataplane"
    if kind not in KINDS:
        raise BadRequest(f"unknown proxy type {kind!r} in xDS Node metadata")
    admin_port = _port(metadata, "dataplane.admin.port")
    readiness_port = _port(metadata, "dataplane.readinessReporter.port")
    if admin_port and not 0 < readiness_port <= MAX_READINESS_PORT:
        raise BadRequest(f"ReadinessPort has to be in (0, {MAX_READINESS_PORT}] range, got {readiness_port}")
    dynamic = metadata.get("dynamicMetadata")
    return NodeInfo(
        id=node_id,
        mesh=mesh,
        name=name,
        kind=kind,
        resource_text=_text(metadata, "dataplane.resource"),
        admin_port=admin_port,
        admin_address=_text(metadata, "dataplane.admin.address"),
        dns_port=_port(metadata, "dataplane.dns.port"),
        readiness_port=readiness_port,
        features=frozenset(f for f in _list(metadata.get("features")) if isinstance(f, str)),
        workdir=_text(metadata, "workdir"),
        ipv6=metadata.get("ipv6Enabled", True) is not False,
        system_ca_path=_text(metadata, "systemCaPath"),
        transparent_proxy=_transparent(metadata.get("transparentProxy")),
        version=_nested(metadata, "version"),
        metadata=metadata,
        metrics_cert_path=_text(metadata, "metricsCertPath"),
        metrics_key_path=_text(metadata, "metricsKeyPath"),
        app_probe_proxy=_text(metadata, "dataplane.appProbeProxy.enabled") == "true",
        spire_socket_path=_text(metadata, "spireAgent.socketPath"),
        dynamic_metadata={k: str(v) for k, v in dynamic.items()} if isinstance(dynamic, dict) else {},
    )


def _identity(node_id: str) -> tuple[str, str]:
    """Mesh and name; the mesh of a zone proxy is empty, so its id starts with the dot."""
    problem = ""
    mesh, dot, name = node_id.partition(".")
    if not node_id:
        problem = "Envoy ID must not be nil"
    elif not dot:
        problem = "the name should be provided after the dot"
    elif not name:
        problem = "name must not be empty"
    if problem:
        raise BadRequest(f"request must have a valid Proxy ID: {problem}")
    return mesh, name


def _transparent(value: Json) -> TransparentProxy | None:
    if not isinstance(value, dict):
        return None
    redirect = _nested(value, "redirect")
    inbound, outbound, dns = (_nested(redirect, key) for key in ("inbound", "outbound", "dns"))
    return TransparentProxy(
        ip_family_mode=_text(value, "ipFamilyMode"),
        inbound_enabled=inbound.get("enabled") is True,
        inbound_port=_port(inbound, "port"),
        outbound_enabled=outbound.get("enabled") is True,
        outbound_port=_port(outbound, "port"),
        dns_enabled=dns.get("enabled") is True,
        dns_port=_port(dns, "port"),
    )


def _port(metadata: JsonObject, key: str) -> int:
    """A port written as a number or in digits.

    Raises:
        BadRequest: it is something else.
    """
    value = metadata.get(key, 0) or 0
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if not isinstance(value, int) or not 0 <= value <= 65535:
        raise BadRequest(f"invalid value in xDS Node metadata: {key} is not a port: {value!r}")
    return value


def _text(metadata: JsonObject, key: str) -> str:
    value = metadata.get(key)
    return value if isinstance(value, str) else ""


def _nested(metadata: JsonObject, key: str) -> JsonObject:
    value = metadata.get(key)
    return value if isinstance(value, dict) else {}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _object(struct: struct_pb2.Struct) -> dict[str, Json]:
    return {key: _plain(value) for key, value in struct.fields.items()}


def _plain(value: struct_pb2.Value) -> Json:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _object(value.struct_value)
    if kind == "list_value":
        return [_plain(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "string_value":
        return value.string_value
    return value.bool_value if kind == "bool_value" else None
