"""Inbounds of a sidecar: a listener per inbound and a cluster for the workload behind it (`spec/xds.md` §2.2)."""

from __future__ import annotations

from collections.abc import Sequence

from ursa.ir import origins
from ursa.ir.address import SocketAddress
from ursa.ir.cluster import STATIC, STRICT_DNS, Cluster
from ursa.ir.listener import (
    INBOUND,
    FilterChain,
    GrpcStats,
    HttpConnectionManager,
    HttpFilter,
    KafkaBroker,
    Listener,
    NetworkFilter,
    Router,
    TcpProxy,
    permissive_chains,
)
from ursa.ir.naming import TAGS_HEADER, UNIFIED_NAME, is_ip, stat_safe
from ursa.ir.plan import ProxyPlan
from ursa.ir.routes import Forward, Route, RouteConfig, RouteMatch, VirtualHost
from ursa.model.dataplane import SERVICELESS_PORT, Inbound
from ursa.planner import names
from ursa.planner.blocks import HOUR, inbound_http_options, internal_cidrs, mesh_server_tls, reuse_port, to
from ursa.planner.inputs import InboundInputs
from ursa.policies.core.speaker import Logbook
from ursa.policies.legacy.inbounds import adjust_inbound
from ursa.policies.plugin import InboundTarget, PolicyPlugin
from ursa.topology.protocols import GRPC, HTTP_LIKE, KAFKA, parse_protocol

CONNECT_TIMEOUT = 10**10
LOOPBACK_SOURCE = {False: "127.0.0.6", True: "::6"}
"""Source of connections to a workload that is not on loopback; redirection rules let it through."""


def plan_inbounds(plan: ProxyPlan, inputs: InboundInputs, plugins: Sequence[PolicyPlugin], book: Logbook) -> None:
    """Adds listeners and clusters of all inbounds and applies the policies that select them."""
    seen: set[tuple[str, int]] = set()
    for position, inbound in enumerate(inputs.dataplane.inbounds):
        if inbound.port == SERVICELESS_PORT or (inbound.address, inbound.port) in seen:
            continue
        seen.add((inbound.address, inbound.port))
        protocol = parse_protocol(inbound.protocol)
        cluster = _cluster(inbound, protocol, inputs)
        listener = _listener(inbound, protocol, cluster.name, inputs)
        adjust_inbound(listener, inputs.legacy[position], inputs.mesh.name)
        target = InboundTarget(listener, cluster, protocol, inputs.mesh.name, book)
        for plugin, policies in zip(plugins, inputs.policies, strict=True):
            plugin.inbound(target, policies[position])
        plan.add(listener, cluster)
        if inputs.mesh.mtls:
            plan.identities.add(inputs.mesh.name)
            plan.authorities.add(inputs.mesh.name)


def trace_inbounds(plan: ProxyPlan, inputs: InboundInputs) -> None:
    """Traces requests that come in, and adds the collectors for both halves."""
    if inputs.tracer is not None:
        for listener in plan.listeners_of(origins.INBOUND):
            inputs.tracer.trace(listener)
    plan.add(*(collector.make_cluster() for collector in inputs.span_collectors))


def _cluster(inbound: Inbound, protocol: str, inputs: InboundInputs) -> Cluster:
    workload = SocketAddress(inbound.workload_address, inbound.workload_port)
    named = not is_ip(inbound.workload_address)
    cluster = Cluster(
        inputs.scheme.workload(inbound),
        STRICT_DNS if named else STATIC,
        origins.INBOUND,
        connect_timeout=CONNECT_TIMEOUT,
        addresses=(workload,),
        http=inbound_http_options(protocol),
        protocol=protocol,
        ipv4_only=named,
    )
    if inputs.redirection is not None and not _is_loopback(inbound.workload_address):
        cluster.bind_source = LOOPBACK_SOURCE[":" in inbound.workload_address]
    return cluster


def _listener(inbound: Inbound, protocol: str, cluster: str, inputs: InboundInputs) -> Listener:
    chains = _chains(inbound, protocol, cluster, inputs)
    return Listener(
        inputs.scheme.inbound(inbound),
        SocketAddress(inbound.address, inbound.port),
        origins.INBOUND,
        chains,
        direction=INBOUND,
        reuse_port=reuse_port(inputs.facts),
        bind=inputs.redirection is None,
        tls_inspector=len(chains) > 1,
        tags=dict(inbound.tags) or {UNIFIED_NAME: names.own_inbound(inbound)},
        stat_prefix=names.own_inbound(inbound) if inputs.scheme.unified else "",
        protocol=protocol,
    )


def _chains(inbound: Inbound, protocol: str, cluster: str, inputs: InboundInputs) -> list[FilterChain]:
    """One chain without TLS or with it; three while both are allowed: plain, the workload's own TLS, the mesh's."""

    def filters() -> list[NetworkFilter]:
        return _filters(inbound, protocol, cluster, inputs)

    backend = inputs.mesh.backend
    if backend is None:
        return [FilterChain(filters())]
    tls = mesh_server_tls(inputs.mesh.name, inputs.scheme)
    if not backend.permissive:
        return [FilterChain(filters(), tls=tls)]
    return permissive_chains(FilterChain(filters()), FilterChain(filters()), FilterChain(filters(), tls=tls))


def _filters(inbound: Inbound, protocol: str, cluster: str, inputs: InboundInputs) -> list[NetworkFilter]:
    stat_prefix = stat_safe(cluster)
    if protocol in HTTP_LIKE:
        return [_http(inbound, protocol, cluster, inputs)]
    proxy = TcpProxy(stat_prefix, to(cluster), idle_timeout=2 * HOUR)
    return [KafkaBroker(stat_prefix), proxy] if protocol == KAFKA else [proxy]


def _http(inbound: Inbound, protocol: str, cluster: str, inputs: InboundInputs) -> HttpConnectionManager:
    filters: list[HttpFilter] = [GrpcStats(), Router()] if protocol == GRPC else [Router()]
    route = Route(RouteMatch("/"), Forward(to(cluster), timeout=0))
    routes = RouteConfig(
        inputs.scheme.inbound_routes(inbound),
        [VirtualHost(inputs.scheme.inbound_host(inbound), [route])],
        request_headers_to_remove=(TAGS_HEADER,),
    )
    return HttpConnectionManager(
        stat_safe(cluster),
        routes,
        filters,
        internal_addresses=internal_cidrs(inputs.settings, ipv6=inputs.facts.ipv6),
        forward_client_cert=True,
        stream_idle_timeout=HOUR,
        idle_timeout=0,
    )


def _is_loopback(address: str) -> bool:
    """Whether redirection leaves connections to an address alone; of 127.0.0.0/8 that is only the usual one."""
    return address in ("127.0.0.1", "::1")
