"""Builtin gateways: listeners of their MeshGateway with routes and clusters behind them (`spec/xds.md` §7.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from ursa.ir import origins
from ursa.ir.address import SocketAddress
from ursa.ir.listener import (
    INBOUND,
    ChainMatch,
    Compressor,
    FilterChain,
    HttpConnectionManager,
    HttpRateLimit,
    Listener,
    Router,
    TcpProxy,
)
from ursa.ir.naming import TAGS_HEADER, stat_safe
from ursa.ir.plan import ProxyPlan
from ursa.ir.routes import HeaderValue, RouteConfig, VirtualHost
from ursa.ir.tls import DownstreamTls, TlsParams
from ursa.planner.blocks import any_mesh_server_tls, internal_cidrs
from ursa.planner.gateway_backends import BUFFER, GatewayBackends
from ursa.planner.gateway_forms import HTTPS, TLS, GatewayForm, GatewayListener
from ursa.planner.gateway_hosts import exact_first
from ursa.planner.gateway_inputs import GatewayInputs
from ursa.planner.gateway_policies import Edge, RulesOf, adjust
from ursa.planner.gateway_routes import (
    EdgeRoute,
    Hosts,
    mesh_hosts,
    mesh_shares,
    older_hosts,
    older_shares,
    shares,
    virtual_host,
)
from ursa.planner.logbooks import logbook
from ursa.policies.legacy.gateways import ANY_HOST
from ursa.policies.legacy.matching import ConnectionPolicy, best_rank
from ursa.policies.mesh_tls.effect import restrict_clients
from ursa.policies.plugin import PolicyPlugin

SECOND = 10**9
IDLE = 300 * SECOND
STREAM_IDLE = 5 * SECOND
HEADERS = SECOND // 2
"""Timeouts for clients that no policy says otherwise of."""

HSTS = HeaderValue("Strict-Transport-Security", "max-age=31536000; includeSubDomains", overwrite=True)
"""Has browsers never again ask without TLS."""

OLDEST_TLS = TlsParams("TLSv1_2")
HTTP_ALPN = ("h2", "http/1.1")


@dataclass(slots=True)
class Port:
    """The listeners of one port, which are one for Envoy.

    Attributes:
        name: of the listener.
        members: with their positions in the MeshGateway and what they lead to.
        routes: those of HTTP, with what they lead to.
    """

    name: str
    number: int
    protocol: str
    members: list[tuple[int, GatewayListener, GatewayBackends]]
    routes: list[EdgeRoute] = field(default_factory=list)

    @property
    def positions(self) -> tuple[int, ...]:
        """Positions of its listeners."""
        return tuple(position for position, _, _ in self.members)

    @property
    def http(self) -> bool:
        """Whether it looks into requests."""
        return self.members[0][1].http

    @property
    def cross_mesh(self) -> bool:
        """Whether it is for clients in other meshes."""
        return self.members[0][1].cross_mesh


def plan_gateway(inputs: GatewayInputs, plugins: Sequence[PolicyPlugin], rules_of: RulesOf) -> ProxyPlan:
    """Everything of a gateway beside its own half."""
    plan = ProxyPlan(unified=inputs.reach.scheme.unified, runtime={})
    if inputs.routes.form is None or inputs.reach.speaker is None:
        return plan
    book = logbook(inputs.reach.speaker)
    for port in _ports(inputs.routes.form, inputs):
        listener = _listener(port, inputs, rules_of)
        if listener is None:
            continue
        behind = {
            cluster.name: (backends, cluster) for _, _, backends in port.members for cluster in backends.clusters()
        }
        clusters = tuple(cluster for _, cluster in behind.values())
        backends = {name: of.found[name] for name, (of, _) in behind.items()}
        older = not (inputs.routes.http if port.http else inputs.routes.tcp).entries
        adjust(Edge(port.positions, listener, clusters, port.routes, backends, older), inputs, plugins, rules_of, book)
        restrict_clients(clusters, inputs.reach.tls_params)
        plan.add(listener)
        for of, cluster in behind.values():
            of.note(plan, cluster)
        _note_secrets(plan, port, inputs.reach.mesh.name)
        _note_limits(plan, port)
    plan.add(*book.collectors.clusters)
    return plan


def _ports(form: GatewayForm, inputs: GatewayInputs) -> Iterator[Port]:
    ports: dict[int, Port] = {}
    for position, listener in enumerate(form.listeners):
        name = f"{form.name}:{listener.protocol}:{listener.port}"
        port = ports.setdefault(listener.port, Port(name, listener.port, listener.protocol, []))
        asking = {**dict(inputs.tags), **dict(listener.tags)}
        if listener.protocol == port.protocol:
            port.members.append((position, listener, GatewayBackends(inputs.reach, asking, listener.http)))
    # Without mTLS a mesh has nothing to show to others.
    return (port for port in ports.values() if inputs.reach.mesh.mtls or not port.cross_mesh)


def _listener(port: Port, inputs: GatewayInputs, rules_of: RulesOf) -> Listener | None:
    """The listener of a port; None when no route leads anywhere from it, as far as new routes count."""
    chains = _http_chains(port, inputs, rules_of) if port.http else _tcp_chains(port, inputs, rules_of)
    if not chains:
        return None
    return Listener(
        port.name,
        SocketAddress(inputs.address, port.number),
        origins.GATEWAY,
        chains,
        direction=INBOUND,
        reuse_port=True,
        tls_inspector=True,
        protocol="http" if port.http else "tcp",
        buffer_limit=BUFFER,
    )


def _http_chains(port: Port, inputs: GatewayInputs, rules_of: RulesOf) -> list[FilterChain]:
    hosts = _hosts(port, inputs, rules_of)
    if not hosts:
        return []
    if port.protocol != HTTPS:
        found = {host: routes for of in hosts.values() for host, routes in of.items()}
        chain = FilterChain([_http(port, ANY_HOST, found, inputs)])
        return [_for_other_meshes(chain, inputs)] if port.cross_mesh else [chain]
    listeners = {listener.hostname: listener for _, listener, _ in port.members}
    return [
        FilterChain([_http(port, name, hosts[name], inputs)], _by_name(name), _server(listeners[name], HTTP_ALPN))
        for name in exact_first(hosts)
        if listeners[name].certificates
    ]


def _for_other_meshes(chain: FilterChain, inputs: GatewayInputs) -> FilterChain:
    """The chain for clients that show a certificate of any mesh."""
    tls = any_mesh_server_tls(inputs.reach.mesh.name, inputs.reach.scheme)
    return replace(chain, match=ChainMatch("tls", ("kuma",)), tls=tls)


def _hosts(port: Port, inputs: GatewayInputs, rules_of: RulesOf) -> dict[str, Hosts]:
    """The routes of the listeners by their host names; a name that several serve is the most exact one's."""
    newer = inputs.routes.http
    members = {listener.hostname: (position, backends) for position, listener, backends in port.members}
    taken: set[str] = set()
    found: dict[str, Hosts] = {}
    for hostname in exact_first(members):
        position, backends = members[hostname]
        if newer.entries:
            rules = rules_of(newer.on_listener(position)).tag
            hosts = mesh_hosts(hostname, port.number, rules, backends)
        else:
            hosts = older_hosts(hostname, port.number, _older_routes(inputs, backends), backends)
        left = {host: routes for host, routes in hosts.items() if host not in taken}
        taken |= left.keys()
        if left:
            found[hostname] = left
            port.routes += [edge for routes in left.values() for edge in routes]
    return found


def _older_routes(inputs: GatewayInputs, backends: GatewayBackends) -> list[ConnectionPolicy]:
    return [route for route in inputs.routes.older if best_rank(route.selectors, (backends.asking,)) is not None]


def _http(port: Port, name: str, hosts: Hosts, inputs: GatewayInputs) -> HttpConnectionManager:
    secure = port.protocol == HTTPS or port.cross_mesh
    virtual_hosts = [_virtual_host(host, hosts[host], secure=secure) for host in sorted(hosts, reverse=True)]
    return HttpConnectionManager(
        stat_safe(inputs.service),
        RouteConfig(f"{port.name}:{name}", virtual_hosts, request_headers_to_remove=(TAGS_HEADER,), ignore_port=True),
        [HttpRateLimit(), Compressor(), Router()],
        internal_addresses=internal_cidrs(inputs.reach.settings, ipv6=inputs.reach.ipv6),
        normalize_path=True,
        edge=True,
        idle_timeout=IDLE,
        request_headers_timeout=HEADERS,
        stream_idle_timeout=STREAM_IDLE,
    )


def _virtual_host(host: str, routes: Sequence[EdgeRoute], *, secure: bool) -> VirtualHost:
    made = virtual_host(host, routes)
    return replace(made, require_tls=True, response_headers_to_add=(HSTS,)) if secure else made


def _tcp_chains(port: Port, inputs: GatewayInputs, rules_of: RulesOf) -> list[FilterChain]:
    newer = inputs.routes.tcp
    found = {}
    for position, listener, backends in port.members:
        if newer.entries:
            chosen = mesh_shares(rules_of(newer.on_listener(position)).tag, backends)
        else:
            chosen = older_shares(_older_routes(inputs, backends), backends)
        clusters = shares(chosen, backends)
        # Without a route connections are accepted and closed.
        proxy = [TcpProxy(stat_safe(inputs.service), clusters)] if clusters else []
        if clusters or not newer.entries:
            found[listener.hostname] = (listener, proxy)
    if port.protocol != TLS:
        return [FilterChain(list(proxy)) for _, proxy in found.values()][:1]
    chains = []
    for name in exact_first(found):
        listener, proxy = found[name]
        if listener.certificates or not listener.terminates:
            tls = _server(listener, ()) if listener.terminates else None
            chains.append(FilterChain(list(proxy), _by_name(name), tls))
    return chains


def _by_name(host: str) -> ChainMatch:
    return ChainMatch(transport_protocol="tls", server_names=() if host == ANY_HOST else (host,))


def _server(listener: GatewayListener, alpn: tuple[str, ...]) -> DownstreamTls:
    names = tuple(certificate.name for certificate in listener.certificates)
    return DownstreamTls(names, require_client_certificate=False, params=OLDEST_TLS, alpn=alpn)


def _note_secrets(plan: ProxyPlan, port: Port, mesh: str) -> None:
    if port.cross_mesh:
        plan.identities.add(mesh)
        plan.trusts_all = True
    for _, listener, _ in port.members:
        plan.certificates |= {certificate.name: certificate for certificate in listener.certificates}


def _note_limits(plan: ProxyPlan, port: Port) -> None:
    limit = max(listener.connection_limit for _, listener, _ in port.members)
    if limit and plan.runtime is not None:
        plan.runtime[f"envoy.resource_limits.listener.{port.name}.connection_limit"] = limit
