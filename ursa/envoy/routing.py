"""Route configurations."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from envoy.config.route.v3.route_pb2 import RouteConfiguration

from ursa.envoy.access_logs import route_metadata
from ursa.envoy.hashes import hash_policy
from ursa.envoy.headers import header_matcher, header_value
from ursa.envoy.rate_limits import route_rate_limit
from ursa.envoy.retry import retry_policy
from ursa.envoy.values import Fields, fractional, optional_duration, present, serialised, wrapped
from ursa.ir import routes as ir

_REDIRECTS: Mapping[int, str] = MappingProxyType(
    {
        301: "MOVED_PERMANENTLY",
        302: "FOUND",
        303: "SEE_OTHER",
        307: "TEMPORARY_REDIRECT",
        308: "PERMANENT_REDIRECT",
    }
)


def route_config_bytes(of: ir.RouteConfig) -> bytes:
    """Serialised `envoy.config.route.v3.RouteConfiguration`."""
    return serialised(RouteConfiguration(**route_config(of)))


def route_config(of: ir.RouteConfig) -> Fields:
    """`RouteConfiguration`."""
    fields = present(
        name=of.name,
        virtual_hosts=[_virtual_host(host) for host in of.virtual_hosts],
        request_headers_to_add=[header_value(h) for h in of.request_headers_to_add],
        request_headers_to_remove=list(of.request_headers_to_remove),
    )
    if of.validate_clusters is not None:
        fields["validate_clusters"] = wrapped(of.validate_clusters)
    if of.ignore_port:
        fields["ignore_port_in_host_matching"] = True
    if of.max_direct_response_bytes is not None:
        fields["max_direct_response_body_size_bytes"] = wrapped(of.max_direct_response_bytes)
    return fields


def weighted_clusters(clusters: tuple[ir.WeightedCluster, ...], *, split: bool = False) -> Fields:
    """`cluster` for one, `weighted_clusters` for several, or for one that is to be named with its weight."""
    if len(clusters) == 1 and not split:
        return {"cluster": clusters[0].name}
    return {"weighted_clusters": {"clusters": [_share(cluster) for cluster in clusters]}}


def _share(of: ir.WeightedCluster) -> Fields:
    fields: Fields = {"name": of.name, "weight": wrapped(of.weight)}
    fields["request_headers_to_add"] = [header_value(h) for h in of.headers]
    return fields


def _virtual_host(of: ir.VirtualHost) -> Fields:
    fields: Fields = {"name": of.name, "domains": list(of.domains), "routes": [_route(r) for r in of.routes]}
    if of.retry is not None:
        fields["retry_policy"] = retry_policy(of.retry)
    if of.require_tls:
        fields["require_tls"] = "ALL"
    fields["response_headers_to_add"] = [header_value(h) for h in of.response_headers_to_add]
    return fields


def _route(of: ir.Route) -> Fields:
    fields: Fields = {
        "name": of.name,
        "match": _match(of.match),
        "request_headers_to_add": [header_value(h) for h in of.request_headers_to_add],
        "request_headers_to_remove": list(of.request_headers_to_remove),
        "response_headers_to_add": [header_value(h) for h in of.response_headers_to_add],
        "response_headers_to_remove": list(of.response_headers_to_remove),
    }
    if of.told:
        fields["metadata"] = route_metadata(of.resource_origin)
    if of.rate_limit is not None:
        fields["typed_per_filter_config"] = route_rate_limit(of.rate_limit)
    match of.action:
        case ir.Forward():
            fields["route"] = _forward(of.action)
        case ir.Redirect():
            fields["redirect"] = _redirect(of.action)
        case ir.DirectResponse():
            response: Fields = {"status": of.action.status}
            if of.action.body:
                response["body"] = {"inline_string": of.action.body}
            fields["direct_response"] = response
    return fields


def _match(of: ir.RouteMatch) -> Fields:
    fields: Fields
    match of.path_kind:
        case ir.EXACT:
            fields = {"path": of.path}
        case ir.REGEX:
            fields = {"safe_regex": {"regex": of.path}}
        case _:
            fields = {"prefix": of.path}
    fields["headers"] = [header_matcher(h) for h in of.headers]
    fields["query_parameters"] = [_query(q) for q in of.query]
    return fields


def _query(of: ir.QueryMatcher) -> Fields:
    condition = {"safe_regex": {"regex": of.value}} if of.kind == ir.REGEX else {"exact": of.value}
    return {"name": of.name, "string_match": condition}


def _forward(of: ir.Forward) -> Fields:
    fields = present(
        **weighted_clusters(of.clusters, split=of.split),
        cluster_not_found_response_code="INTERNAL_SERVER_ERROR" if of.missing_is_error else None,
        timeout=optional_duration(of.timeout),
        idle_timeout=optional_duration(of.idle_timeout),
        prefix_rewrite=of.prefix_rewrite or None,
        regex_rewrite=_regex(of.regex_rewrite),
        host_rewrite_literal=of.host_rewrite or None,
        host_rewrite_path_regex=_regex(of.host_rewrite_path_regex),
        retry_policy=None if of.retry is None else retry_policy(of.retry),
    )
    if of.auto_host_rewrite:
        fields["auto_host_rewrite"] = wrapped(True)
    fields["request_mirror_policies"] = [_mirror(mirror) for mirror in of.mirrors]
    fields["hash_policy"] = [hash_policy(policy) for policy in of.hash_policies]
    return fields


def _mirror(of: ir.Mirror) -> Fields:
    fields: Fields = {"cluster": of.cluster}
    if of.share is not None:
        fields["runtime_fraction"] = {"default_value": fractional(of.share)}
    return fields


def _redirect(of: ir.Redirect) -> Fields:
    return present(
        response_code=_REDIRECTS[of.status],
        scheme_redirect=of.scheme or None,
        host_redirect=of.host or None,
        port_redirect=of.port or None,
        strip_query=of.strip_query or None,
        prefix_rewrite=of.prefix_rewrite or None,
        regex_rewrite=_regex(of.regex_rewrite),
    )


def _regex(of: ir.RegexRewrite | None) -> Fields | None:
    if of is None:
        return None
    return {"pattern": {"regex": of.pattern}, "substitution": of.substitution}
