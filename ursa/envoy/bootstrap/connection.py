"""How Envoy talks to its control plane (`spec/dataplane.md` §3.3): the service, the cluster, what it trusts.

There are two ways. Usually Envoy's own client carries a token that the document contains. Where tokens are reloaded,
Google's client is used, because only it reads the token from a file for every stream.
"""

from __future__ import annotations

import base64

from ursa.envoy.bootstrap.inputs import BootstrapInputs, ControlPlane, Document
from ursa.ir.naming import bracketed, is_ip

TYPE = "type.googleapis.com/"
VALIDATION = "cp_validation_ctx"
FILE_CREDENTIALS = "envoy.grpc_credentials.file_based_metadata"
SOCKET_LIMIT = 98
"""Characters of a socket's path that are kept before `.sock` is added; the launcher computes the same."""

CHANNEL_ARGUMENTS = {
    "grpc.http2.max_pings_without_data": "0",
    "grpc.keepalive_time_ms": "10000",
    "grpc.keepalive_timeout_ms": "30000",
}


def api_source(inputs: BootstrapInputs, *, delta: bool) -> Document:
    """A stream to the control plane."""
    control_plane = inputs.control_plane
    if control_plane.token_path:
        service: Document = {"googleGrpc": _google_client(control_plane)}
    else:
        service = {"envoyGrpc": {"clusterName": _ads_cluster_name(inputs)}}
        if control_plane.token:
            service["initialMetadata"] = [{"key": "authorization", "value": control_plane.token}]
    return {
        "apiType": "DELTA_GRPC" if delta else "GRPC",
        "transportApiVersion": "V3",
        "setNodeOnFirstMessageOnly": True,
        "grpcServices": [service],
    }


def clusters(inputs: BootstrapInputs) -> list[Document]:
    """The launcher's access log socket, and the control plane where Envoy's own client is used."""
    sink = "system_access_log_sink" if inputs.unified_names else "access_log_sink"
    path = f"{inputs.workdir}/kuma-al-{inputs.name}-{inputs.mesh}"[:SOCKET_LIMIT] + ".sock"
    found = [_cluster(inputs, sink, {"pipe": {"path": path}}) | {"type": "STATIC"}]
    if not inputs.control_plane.token_path:
        found.append(_ads_cluster(inputs))
    return found


def secrets(inputs: BootstrapInputs) -> list[Document]:
    """What proves that a control plane is the right one."""
    control_plane = inputs.control_plane
    names = [{"sanType": kind, "matcher": {"exact": control_plane.host}} for kind in ("DNS", "IP_ADDRESS")]
    trusted = {"inlineBytes": _inline(control_plane.authority)}
    return [{"name": VALIDATION, "validationContext": {"matchTypedSubjectAltNames": names, "trustedCa": trusted}}]


def socket_address(address: str, port: int) -> Document:
    """Where something listens."""
    return {"socketAddress": {"address": address, "portValue": port}}


def _ads_cluster(inputs: BootstrapInputs) -> Document:
    control_plane = inputs.control_plane
    cluster = _cluster(inputs, _ads_cluster_name(inputs), socket_address(control_plane.host, control_plane.port))
    cluster["type"] = "STATIC" if is_ip(control_plane.host) else "STRICT_DNS"
    if control_plane.v4_only and not is_ip(control_plane.host):
        cluster["dnsLookupFamily"] = "V4_ONLY"
    cluster["transportSocket"] = {
        "name": "envoy.transport_sockets.tls",
        "typedConfig": {
            "@type": TYPE + "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "commonTlsContext": {
                "tlsParams": {"tlsMinimumProtocolVersion": "TLSv1_2"},
                "validationContextSdsSecretConfig": {"name": VALIDATION},
            },
            "sni": control_plane.host,
        },
    }
    return cluster


def _cluster(inputs: BootstrapInputs, name: str, address: Document) -> Document:
    endpoint = {"endpoint": {"address": address}}
    return {
        "name": name,
        "connectTimeout": f"{inputs.control_plane.connect_timeout:g}s",
        "loadAssignment": {"clusterName": name, "endpoints": [{"lbEndpoints": [endpoint]}]},
        "typedExtensionProtocolOptions": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": TYPE + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicitHttpConfig": {"http2ProtocolOptions": {}},
            }
        },
        "upstreamConnectionOptions": {
            "tcpKeepalive": {"keepaliveInterval": 10, "keepaliveProbes": 3, "keepaliveTime": 10}
        },
    }


def _google_client(control_plane: ControlPlane) -> Document:
    credentials = {
        "@type": TYPE + "envoy.config.grpc_credential.v3.FileBasedMetadataConfig",
        "secretData": {"filename": control_plane.token_path},
    }
    root = {"inlineBytes": _inline(control_plane.authority)}
    return {
        "targetUri": f"{bracketed(control_plane.host)}:{control_plane.port}",
        "statPrefix": "ads",
        "channelCredentials": {"sslCredentials": {"rootCerts": root}},
        "credentialsFactoryName": FILE_CREDENTIALS,
        "callCredentials": [{"fromPlugin": {"name": FILE_CREDENTIALS, "typedConfig": credentials}}],
        "channelArgs": {"args": {name: {"intValue": value} for name, value in CHANNEL_ARGUMENTS.items()}},
    }


def _ads_cluster_name(inputs: BootstrapInputs) -> str:
    return "system_ads" if inputs.unified_names else "ads_cluster"


def _inline(data: bytes) -> str:
    return base64.b64encode(data).decode()
