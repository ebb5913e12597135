"""Outbounds: a listener per destination and the clusters behind it, in meshes without TrafficRoutes (`xds.md` §2.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ursa.ir import origins
from ursa.ir.address import SocketAddress
from ursa.ir.cluster import EDS, Cluster, HttpOptions
from ursa.ir.listener import (
    OUTBOUND,
    FilterChain,
    GrpcStats,
    HttpConnectionManager,
    HttpFilter,
    KafkaBroker,
    Listener,
    NetworkFilter,
    Router,
    TcpProxy,
)
from ursa.ir.naming import stat_safe
from ursa.ir.plan import EdsReference, ProxyPlan
from ursa.ir.routes import Forward, HeaderValue, Route, RouteConfig, RouteMatch, VirtualHost, WeightedCluster
from ursa.model.labels import SERVICE_TAG
from ursa.planner import names
from ursa.planner.blocks import internal_cidrs, mesh_client_tls, service_san
from ursa.planner.external_outbounds import external_cluster
from ursa.planner.inbounds import TAGS_HEADER
from ursa.planner.inputs import ExternalOutbound, OutboundInputs, OutboundSpec
from ursa.policies.core.route_hash import matches_hash
from ursa.policies.core.subsets import SubsetRules
from ursa.policies.legacy.traffic_route import HttpRule, RouteConf, Share, modify_route, route_conf
from ursa.policies.plugin import OutboundTarget, PolicyPlugin
from ursa.topology.destinations import cluster_name, sni_of_tags, without_service
from ursa.topology.protocols import GRPC, HTTP_LIKE, KAFKA

CATCH_ALL = matches_hash([{"path": {"value": "/", "type": "PathPrefix"}}])
"""Name of the route that takes every request."""


def plan_outbounds(
    plan: ProxyPlan, inputs: OutboundInputs, plugins: Sequence[PolicyPlugin], rules: Sequence[SubsetRules]
) -> None:
    """Adds listeners and clusters of all outbounds and applies the policies for their destinations.

    Args:
        plan: what to add to.
        inputs: the outbounds and what they depend on.
        plugins: the policies' effects, in order.
        rules: per plugin, the rules compiled from `inputs.policies`.
    """
    for spec in inputs.outbounds:
        routing = route_conf(spec.route, dict(spec.tags))
        clusters = _clusters(spec, routing, inputs)
        if not clusters:
            continue
        listener = _listener(spec, routing, inputs)
        target = OutboundTarget(listener, tuple(clusters.values()), spec.protocol, _service_tags(spec))
        for plugin, compiled in zip(plugins, rules, strict=True):
            plugin.outbound(target, compiled)
        plan.add(listener, *target.clusters)
        _refer(plan, target.clusters, inputs)


def _refer(plan: ProxyPlan, clusters: Sequence[Cluster], inputs: OutboundInputs) -> None:
    """Notes which endpoints and secrets the clusters need."""
    mesh = inputs.mesh.name
    for cluster in clusters:
        if cluster.type != EDS:
            continue
        narrowed = tuple(without_service(cluster.tags).items())
        plan.endpoints[cluster.name] = EdsReference(mesh, cluster.service, narrowed)
        if cluster.tls is not None:
            plan.identities.add(mesh)
            plan.authorities.add(mesh)


def _clusters(spec: OutboundSpec, routing: RouteConf, inputs: OutboundInputs) -> dict[str, Cluster]:
    shares = [share for rule in routing.rules for share in rule.shares]
    return {
        cluster.name: cluster
        for share in (*shares, *routing.shares)
        if SERVICE_TAG in share.tags
        for cluster in (_cluster(share.tags, spec, routing, inputs),)
    }


def _cluster(tags: Mapping[str, str], spec: OutboundSpec, routing: RouteConf, inputs: OutboundInputs) -> Cluster:
    mesh, service = inputs.mesh, tags[SERVICE_TAG]
    external = _external(inputs, service)
    if external is not None:
        cluster = external_cluster(external, tags, mesh.name, spec.protocol)
    else:
        cluster = Cluster(cluster_name(tags), EDS, origins.OUTBOUND, http=HttpOptions(2))
        if mesh.mtls and spec.tls:
            sans = (service_san(mesh.name, service),)
            cluster.tls = mesh_client_tls(mesh.name, sni_of_tags(tags, mesh.name), sans)
    cluster.balancer = routing.balancer
    cluster.service, cluster.tags, cluster.protocol = service, tags, spec.protocol
    return cluster


def _external(inputs: OutboundInputs, service: str) -> ExternalOutbound | None:
    return next((one for one in inputs.external if one.service == service), None)


def _listener(spec: OutboundSpec, routing: RouteConf, inputs: OutboundInputs) -> Listener:
    service = spec.service
    filters: list[NetworkFilter]
    if spec.protocol in HTTP_LIKE:
        filters = [_http(service, spec, routing, inputs)]
    else:
        stat_prefix = stat_safe(service)
        proxy = TcpProxy(stat_prefix, _weighted(routing.shares))
        filters = [KafkaBroker(stat_prefix), proxy] if spec.protocol == KAFKA else [proxy]
    return Listener(
        names.outbound_listener(spec.address, spec.port),
        SocketAddress(spec.address, spec.port),
        origins.OUTBOUND,
        [FilterChain(filters)],
        direction=OUTBOUND,
        bind=inputs.bind,
        tags={key: value for key, value in spec.tags if key != "kuma.io/mesh"},
        protocol=spec.protocol,
    )


def _http(service: str, spec: OutboundSpec, routing: RouteConf, inputs: OutboundInputs) -> HttpConnectionManager:
    filters: list[HttpFilter] = [GrpcStats(), Router()] if spec.protocol == GRPC else [Router()]
    routes = [_rule(rule, inputs) for rule in routing.rules]
    routes.append(Route(RouteMatch("/"), _forward(routing.shares, inputs), name="" if inputs.legacy else CATCH_ALL))
    # TrafficRoutes were never told the tags of gRPC clients.
    tagged = inputs.source_tags and not (inputs.legacy and spec.protocol == GRPC)
    headers = (HeaderValue(TAGS_HEADER, inputs.source_tags),) if tagged else ()
    config = RouteConfig(f"outbound:{service}", [VirtualHost(service, routes)], request_headers_to_add=headers)
    return HttpConnectionManager(
        stat_safe(service),
        config,
        filters,
        internal_addresses=internal_cidrs(inputs.settings, ipv6=inputs.ipv6),
        normalize_path=not inputs.legacy,
        idle_timeout=0,
        stream_idle_timeout=0 if inputs.legacy else None,
    )


def _rule(rule: HttpRule, inputs: OutboundInputs) -> Route:
    route = Route(rule.match, _forward(rule.shares, inputs))
    modify_route(route, rule.modify)
    return route


def _forward(shares: Sequence[Share], inputs: OutboundInputs) -> Forward:
    """Servers outside of the mesh are asked by their own names."""
    outside = any(_external(inputs, share.tags.get(SERVICE_TAG, "")) is not None for share in shares)
    return Forward(_weighted(shares), timeout=0, auto_host_rewrite=outside)


def _weighted(shares: Sequence[Share]) -> tuple[WeightedCluster, ...]:
    return tuple(WeightedCluster(cluster_name(share.tags), share.weight) for share in shares)


def _service_tags(spec: OutboundSpec) -> Mapping[str, str]:
    return {SERVICE_TAG: spec.service}
