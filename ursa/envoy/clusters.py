"""Clusters."""

from __future__ import annotations

from envoy.config.cluster.v3.cluster_pb2 import Cluster as ClusterMessage
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions

from ursa.envoy.addresses import endpoint
from ursa.envoy.balancers import balancer
from ursa.envoy.endpoints import assignment
from ursa.envoy.health_checks import health_check
from ursa.envoy.outliers import outlier_detection
from ursa.envoy.transport import upstream
from ursa.envoy.values import (
    Fields,
    optional_duration,
    optional_wrapped,
    packed,
    present,
    serialised,
    wrapped,
)
from ursa.ir import cluster as ir
from ursa.ir.naming import stat_safe
from ursa.ir.tls import TlsMatch

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def cluster_bytes(of: ir.Cluster) -> bytes:
    """Serialised `envoy.config.cluster.v3.Cluster`."""
    fields = present(
        name=of.name,
        type=of.type,
        connect_timeout=optional_duration(of.connect_timeout),
        **_endpoints(of),
        **_balancing(of),
    )
    if of.ipv4_only:
        fields["dns_lookup_family"] = "V4_ONLY"
    if (safe := stat_safe(of.name)) != of.name or of.alt_stat_name:
        fields["alt_stat_name"] = safe
    if of.http is not None:
        fields["typed_extension_protocol_options"] = {HTTP_OPTIONS: packed(_http_options(of.http))}
    if of.tls is not None:
        fields["transport_socket"] = upstream(of.tls)
    if of.tls_matches:
        fields["transport_socket_matches"] = [_tls_match(match) for match in of.tls_matches]
    if of.buffer_limit is not None:
        fields["per_connection_buffer_limit_bytes"] = wrapped(of.buffer_limit)
    if of.bind_source:
        fields["upstream_bind_config"] = {"source_address": {"address": of.bind_source, "port_value": 0}}
    if of.thresholds is not None:
        fields["circuit_breakers"] = {"thresholds": [_thresholds(of.thresholds)]}
    if of.outliers is not None:
        fields["outlier_detection"] = outlier_detection(of.outliers)
    if common := _common_balancing(of):
        fields["common_lb_config"] = common
    fields["health_checks"] = [health_check(check) for check in of.health_checks]
    return serialised(ClusterMessage(**fields))


def _endpoints(of: ir.Cluster) -> Fields:
    if of.type == ir.EDS:
        return {"eds_cluster_config": {"eds_config": {"ads": {}, "resource_api_version": "V3"}}}
    if of.endpoints:
        factor = None if of.localities is None else of.localities.overprovisioning
        return {"load_assignment": assignment(ir.LoadAssignment(of.assignment or of.name, of.endpoints, factor))}
    if of.addresses:
        endpoints = [endpoint(address) for address in of.addresses]
        return {"load_assignment": {"cluster_name": of.name, "endpoints": [{"lb_endpoints": endpoints}]}}
    return {}


def _tls_match(of: TlsMatch) -> Fields:
    fields: Fields = {"name": of.name, "transport_socket": upstream(of.tls)}
    if of.tags:
        fields["match"] = dict(of.tags)
    return fields


def _balancing(of: ir.Cluster) -> Fields:
    fields = balancer(of.balancer)
    if of.cluster_provided:
        fields["lb_policy"] = "CLUSTER_PROVIDED"
    if of.subset_keys:
        selectors = [{"keys": list(keys), "fallback_policy": "NO_FALLBACK"} for keys in of.subset_keys]
        fields["lb_subset_config"] = {"fallback_policy": "ANY_ENDPOINT", "subset_selectors": selectors}
    return fields


def _common_balancing(of: ir.Cluster) -> Fields:
    fields: Fields = {}
    if of.panic_threshold is not None:
        fields["healthy_panic_threshold"] = {"value": of.panic_threshold}
    # Envoy takes one of the two. What must fail may not be missed; not to fail is its default anyway.
    if of.localities is not None and of.localities.weighted and not of.fail_traffic_on_panic:
        fields["locality_weighted_lb_config"] = {}
    elif of.fail_traffic_on_panic is not None:
        fields["zone_aware_lb_config"] = {"fail_traffic_on_panic": of.fail_traffic_on_panic}
    return fields


def _http_options(of: ir.HttpOptions) -> HttpProtocolOptions:
    fields: Fields = {}
    common = present(
        idle_timeout=optional_duration(of.idle_timeout),
        max_connection_duration=optional_duration(of.max_connection_duration),
        max_stream_duration=optional_duration(of.max_stream_duration),
    )
    if common:
        fields["common_http_protocol_options"] = common
    if of.version:
        protocol = "http2_protocol_options" if of.version == 2 else "http_protocol_options"
        windows = present(
            initial_stream_window_size=optional_wrapped(of.stream_window),
            initial_connection_window_size=optional_wrapped(of.connection_window),
        )
        fields["explicit_http_config"] = {protocol: windows}
    return HttpProtocolOptions(**fields)


def _thresholds(of: ir.Thresholds) -> Fields:
    return present(
        max_connections=optional_wrapped(of.max_connections),
        max_connection_pools=optional_wrapped(of.max_connection_pools),
        max_pending_requests=optional_wrapped(of.max_pending_requests),
        max_requests=optional_wrapped(of.max_requests),
        max_retries=optional_wrapped(of.max_retries),
        track_remaining=of.track_remaining or None,
    )
