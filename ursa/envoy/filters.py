"""Network and HTTP filters."""

from __future__ import annotations

from envoy.extensions.filters.http.grpc_stats.v3.config_pb2 import FilterConfig as GrpcStatsConfig
from envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC as HttpRbacConfig
from envoy.extensions.filters.http.router.v3.router_pb2 import Router as RouterConfig
from envoy.extensions.filters.network.direct_response.v3.config_pb2 import Config as DirectResponseConfig
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager as HcmConfig,
)
from envoy.extensions.filters.network.rbac.v3.rbac_pb2 import RBAC as NetworkRbacConfig
from envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy as TcpProxyConfig
from google.protobuf.wrappers_pb2 import StringValue

from ursa.envoy.access_logs import ROUTE_TELLER, access_log
from ursa.envoy.edges import COMPRESSOR, WITHOUT_UNDERSCORES, apart
from ursa.envoy.faults import fault_filter
from ursa.envoy.rate_limits import HTTP_RATE_LIMIT, connection_rate_limit
from ursa.envoy.rbac import rbac_fields
from ursa.envoy.routing import route_config, weighted_clusters
from ursa.envoy.tracing import tracing
from ursa.envoy.values import (
    TYPE_URL_PREFIX,
    Fields,
    duration,
    optional_duration,
    optional_wrapped,
    packed,
    present,
    string_struct,
    wrapped,
)
from ursa.ir import listener as ir

KAFKA_BROKER = "envoy.extensions.filters.network.kafka_broker.v3.KafkaBroker"
"""A contrib extension, not part of Envoy's published protos; its only field that is set, `stat_prefix` = 1, is a string
as in `StringValue`, whose bytes are the same."""

_ROUTER: Fields = {"name": "envoy.filters.http.router", "typed_config": packed(RouterConfig())}


def network_filter(of: ir.NetworkFilter) -> Fields:
    """`envoy.config.listener.v3.Filter`."""
    match of:
        case ir.HttpConnectionManager():
            return _named("envoy.filters.network.http_connection_manager", packed(_hcm(of)))
        case ir.TcpProxy():
            return _named("envoy.filters.network.tcp_proxy", packed(_tcp_proxy(of)))
        case ir.NetworkRbac():
            config = NetworkRbacConfig(stat_prefix=of.stat_prefix, **rbac_fields(of.rbac))
            return _named("envoy.filters.network.rbac", packed(config))
        case ir.ConnectionRateLimit():
            return connection_rate_limit(of.bucket)
        case ir.KafkaBroker():
            bytes_ = StringValue(value=of.stat_prefix).SerializeToString()
            return _named(
                "envoy.filters.network.kafka_broker", {"type_url": TYPE_URL_PREFIX + KAFKA_BROKER, "value": bytes_}
            )
        case ir.DirectAnswer():
            answer = DirectResponseConfig(response={"inline_string": of.text})
            return _named("envoy.filters.network.direct_response", packed(answer))


def _http_filter(of: ir.HttpFilter) -> Fields:
    match of:
        case ir.Router():
            return _ROUTER
        case ir.GrpcStats():
            config = GrpcStatsConfig(emit_filter_state=True)
            return _named("envoy.filters.http.grpc_stats", packed(config))
        case ir.HttpRbac():
            return _named("envoy.filters.http.rbac", packed(HttpRbacConfig(**rbac_fields(of.rbac))))
        case ir.HttpFault():
            return fault_filter(of)
        case ir.HttpRateLimit():
            return HTTP_RATE_LIMIT
        case ir.Compressor():
            return COMPRESSOR
        case ir.RouteTeller():
            return ROUTE_TELLER


def _hcm(of: ir.HttpConnectionManager) -> HcmConfig:
    ranges = [{"address_prefix": prefix, "prefix_len": wrapped(bits)} for prefix, bits in of.internal_addresses]
    fields = present(
        stat_prefix=of.stat_prefix,
        **(apart(of) if of.edge else {"route_config": route_config(of.route_config)}),
        http_filters=[_http_filter(f) for f in of.http_filters],
        access_log=[access_log(log) for log in of.access_logs],
        request_timeout=optional_duration(of.request_timeout),
        request_headers_timeout=optional_duration(of.request_headers_timeout),
        stream_idle_timeout=optional_duration(of.stream_idle_timeout),
        normalize_path=wrapped(True) if of.normalize_path else None,
    )
    if ranges:
        fields["internal_address_config"] = {"cidr_ranges": ranges}
    if of.idle_timeout is not None:
        fields["common_http_protocol_options"] = {"idle_timeout": duration(of.idle_timeout)}
    if of.edge:
        fields.setdefault("common_http_protocol_options", {}).update(WITHOUT_UNDERSCORES)
    if of.tracing is not None:
        fields["tracing"] = tracing(of.tracing)
    if of.forward_client_cert:
        fields["forward_client_cert_details"] = "SANITIZE_SET"
        fields["set_current_client_cert_details"] = {"uri": True}
    return HcmConfig(**fields)


def _tcp_proxy(of: ir.TcpProxy) -> TcpProxyConfig:
    clusters = weighted_clusters(of.clusters)
    if "weighted_clusters" in clusters:
        parts = [{"name": c.name, "weight": c.weight} for c in of.clusters]
        clusters = {"weighted_clusters": {"clusters": parts}}
    fields = present(
        stat_prefix=of.stat_prefix,
        idle_timeout=optional_duration(of.idle_timeout),
        max_connect_attempts=optional_wrapped(of.max_connect_attempts),
        access_log=[access_log(log) for log in of.access_logs],
        **clusters,
    )
    if of.metadata_match:
        fields["metadata_match"] = {"filter_metadata": {"envoy.lb": string_struct(dict(of.metadata_match))}}
    return TcpProxyConfig(**fields)


def _named(name: str, config: Fields) -> Fields:
    return {"name": name, "typed_config": config}
