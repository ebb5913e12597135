"""Outbounds: a listener per destination and the clusters behind it (`xds.md` §2.5, §2.6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ursa.ir import origins
from ursa.ir.address import SocketAddress
from ursa.ir.cluster import EDS, Cluster
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
from ursa.ir.naming import TAGS_HEADER, UNIFIED_NAME, stat_safe
from ursa.ir.plan import ProxyPlan
from ursa.ir.routes import HeaderValue, RouteConfig, VirtualHost
from ursa.model.labels import MESH_TAG, SERVICE_TAG
from ursa.model.real_service import RealService
from ursa.planner import names
from ursa.planner.backends import (
    Backend,
    RealBackend,
    TagBackend,
    backend_cluster,
    backend_endpoints,
    backend_mesh,
    backend_name,
    tag_backend,
)
from ursa.planner.blocks import internal_cidrs
from ursa.planner.inputs import OutboundInputs, OutboundSpec, RealOutbound
from ursa.planner.mesh_routes import RouteRules, mesh_routing
from ursa.planner.routing import Routing, legacy_routing, weighted
from ursa.policies.core.speaker import Logbook
from ursa.policies.legacy.outbounds import NO_POLICIES, OutboundPolicies, adjust_outbound
from ursa.policies.plugin import DestinationRules, OutboundTarget, PolicyPlugin
from ursa.topology.localities import arranged
from ursa.topology.protocols import GRPC, KAFKA


@dataclass(frozen=True, slots=True)
class _Outbound:
    """One outbound in the terms that both sorts have in common.

    Attributes:
        backend: what it leads to while no route says otherwise.
        listener, route_config, host: names; `host` is also that of the statistics.
        tags: metadata of the listener.
        stat_prefix: of the listener, only in the unified scheme.
        legacy: the source/destination policies that count.
    """

    address: str
    port: int
    backend: Backend
    listener: str
    route_config: str
    host: str
    tags: dict[str, str]
    stat_prefix: str = ""
    legacy: OutboundPolicies = NO_POLICIES


def plan_outbounds(
    plan: ProxyPlan,
    inputs: OutboundInputs,
    plugins: Sequence[PolicyPlugin],
    rules: Sequence[DestinationRules],
    route_rules: RouteRules,
    book: Logbook | None,
) -> None:
    """Adds listeners and clusters of all outbounds and applies the policies for their destinations.

    Args:
        plan: what to add to.
        inputs: the outbounds and what they depend on.
        plugins: the policies' effects, in order.
        rules: per plugin, the rules compiled from `inputs.policies`.
        route_rules: those compiled from `inputs.routes`.
        book: how the proxy writes down what passes, if anything does.
    """
    by_kri = {policy.kri: policy for policy in inputs.routes.http}
    for outbound, routing in _outbounds(inputs, route_rules):
        if not (routing.routes or routing.legs):
            continue
        backends = {backend_name(b, unified=inputs.scheme.unified): b for b in routing.backends}
        clusters = tuple(backend_cluster(backend, inputs, routing.balancer) for backend in backends.values())
        listener = _listener(outbound, routing, inputs)
        target = _target(outbound, listener, clusters, inputs, book)
        adjust_outbound(target, outbound.legacy, inputs.mesh, outside=_outside(outbound.backend))
        ports = _ports(outbound.backend, *backends.values())
        for plugin, compiled in zip(plugins, rules, strict=True):
            plugin.outbound(target, replace(compiled, ports=ports, routes=by_kri))
        if inputs.tracer is not None:
            inputs.tracer.trace(listener, _called(outbound.backend))
        plan.add(listener, *clusters)
        for cluster, backend in zip(clusters, backends.values(), strict=True):
            if cluster.type == EDS:
                endpoints = backend_endpoints(backend, inputs.mesh.name)
                plan.endpoints[cluster.name] = replace(endpoints, localities=cluster.localities)
            elif cluster.localities is not None:
                cluster.endpoints = arranged(cluster.endpoints, cluster.localities)
            if cluster.tls is not None:
                plan.identities.add(inputs.mesh.name)
                plan.authorities.add(backend_mesh(backend, inputs.mesh.name))


def _outbounds(inputs: OutboundInputs, rules: RouteRules) -> Iterator[tuple[_Outbound, Routing]]:
    for spec in inputs.outbounds:
        of_tags = _of_tags(spec, inputs)
        routing = legacy_routing(spec, inputs) if inputs.legacy else mesh_routing(of_tags.backend, inputs, rules)
        yield of_tags, routing
    # TrafficRoutes know tag services only. Where they rule, as in Kuma, nothing listens for others, known as they are.
    for real in () if inputs.legacy else inputs.real:
        of_service = _of_service(real, inputs)
        yield of_service, mesh_routing(of_service.backend, inputs, rules)


def _of_tags(spec: OutboundSpec, inputs: OutboundInputs) -> _Outbound:
    service = spec.service
    return _Outbound(
        spec.address,
        spec.port,
        tag_backend(dict(spec.tags), spec.protocol, inputs, tls=spec.tls),
        listener=names.outbound_listener(spec.address, spec.port),
        route_config=f"outbound:{service}",
        host=service,
        tags={key: value for key, value in spec.tags if key != MESH_TAG},
        legacy=spec.legacy,
    )


def _of_service(real: RealOutbound, inputs: OutboundInputs) -> _Outbound:
    backend = RealBackend(real.service, real.of, real.section)
    kri = backend.kri
    return _Outbound(
        real.address,
        real.port,
        backend,
        listener=kri if inputs.scheme.unified else names.outbound_listener(real.address, real.port),
        route_config=kri,
        host=backend_name(backend, unified=inputs.scheme.unified),
        tags={UNIFIED_NAME: kri},
        stat_prefix=kri if inputs.scheme.unified else "",
    )


def _target(
    outbound: _Outbound,
    listener: Listener,
    clusters: tuple[Cluster, ...],
    inputs: OutboundInputs,
    book: Logbook | None,
) -> OutboundTarget:
    backend = outbound.backend
    return OutboundTarget(
        listener,
        clusters,
        backend.protocol,
        {} if isinstance(backend, RealBackend) else {SERVICE_TAG: backend.tags[SERVICE_TAG]},
        backend.kri if isinstance(backend, RealBackend) else "",
        inputs.source_tags,
        book,
        inputs.place,
        by_egress=inputs.mesh.zone_egress,
    )


def _called(backend: Backend) -> str:
    """What people call a destination."""
    return backend.service.display_name if isinstance(backend, RealBackend) else backend.tags[SERVICE_TAG]


def _outside(backend: Backend) -> bool:
    """Whether a destination is outside of the mesh and reached without an egress."""
    return isinstance(backend, TagBackend) and backend.outside is not None and bool(backend.outside.instances)


def _ports(*backends: Backend) -> dict[str, tuple[RealService, str]]:
    """The ports of real services among some backends, by identifier."""
    return {b.kri: (b.service, b.section) for b in backends if isinstance(b, RealBackend)}


def _listener(outbound: _Outbound, routing: Routing, inputs: OutboundInputs) -> Listener:
    filters: list[NetworkFilter]
    protocol = outbound.backend.protocol
    if routing.routes:
        filters = [_http(outbound, routing, inputs)]
    else:
        stat_prefix = stat_safe(outbound.host)
        proxy = TcpProxy(stat_prefix, weighted(routing.legs, inputs))
        filters = [KafkaBroker(stat_prefix), proxy] if protocol == KAFKA else [proxy]
    return Listener(
        outbound.listener,
        SocketAddress(outbound.address, outbound.port),
        origins.OUTBOUND,
        [FilterChain(filters)],
        direction=OUTBOUND,
        bind=inputs.bind,
        tags=outbound.tags,
        stat_prefix=outbound.stat_prefix,
        protocol=protocol,
    )


def _http(outbound: _Outbound, routing: Routing, inputs: OutboundInputs) -> HttpConnectionManager:
    filters: list[HttpFilter] = [GrpcStats(), Router()] if outbound.backend.protocol == GRPC else [Router()]
    # TrafficRoutes were never told the tags of gRPC clients.
    tagged = inputs.tell_source and not (inputs.legacy and outbound.backend.protocol == GRPC)
    headers = (HeaderValue(TAGS_HEADER, inputs.source_tags),) if tagged else ()
    hosts = [VirtualHost(outbound.host, list(routing.routes))]
    return HttpConnectionManager(
        stat_safe(outbound.host),
        RouteConfig(outbound.route_config, hosts, request_headers_to_add=headers),
        filters,
        internal_addresses=internal_cidrs(inputs.settings, ipv6=inputs.ipv6),
        normalize_path=not inputs.legacy,
        idle_timeout=0,
        stream_idle_timeout=0 if inputs.legacy else None,
    )
