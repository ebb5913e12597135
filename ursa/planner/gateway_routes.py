"""The routes of one listener of a gateway, by MeshGatewayRoutes or by MeshHTTPRoutes and MeshTCPRoutes.

Both sorts of HTTP rules become entries of the same form, of which routes are made by the same code as for sidecars;
what is special at the edge is written over them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from ursa.ir import routes as ir
from ursa.model.json import JsonObject
from ursa.model.labels import SERVICE_TAG
from ursa.planner.backends import Backend
from ursa.planner.gateway_backends import GatewayBackends
from ursa.planner.gateway_hosts import by_host, exactness
from ursa.planner.mesh_routes import UNUSABLE, backend_refs, resolve_backend, rule_owner, tcp_owner
from ursa.policies.core.subject import pairs
from ursa.policies.core.subsets import SubsetRules
from ursa.policies.legacy.gateway_rules import http_rule
from ursa.policies.legacy.gateways import ANY_HOST
from ursa.policies.legacy.matching import ConnectionPolicy
from ursa.policies.mesh_http_route.routes import Entry, entries, routes

ANY_DESTINATION = MappingProxyType({SERVICE_TAG: "*"})
"""The destination that policies for gateways speak about: all of the mesh."""

NO_ROUTE = ir.DirectResponse(404, "This is a Kuma MeshGateway. No routes match this MeshGateway!\n")

IDLE = 5 * 10**9
"""How long a stream of a request may be idle, unless a policy says otherwise."""

_RANKS: Mapping[str, int] = MappingProxyType({ir.EXACT: 0, ir.PREFIX: 1, ir.REGEX: 2})
_NO_PATH = 3
_CONDITIONS = (ir.EXACT, ir.REGEX, ir.PRESENT, ir.ABSENT, ir.PREFIX)
"""The order of conditions on headers, behind that on the method."""

_METHOD = ":method"
_HOST = ("host", ":authority")

Find = Callable[[Entry, JsonObject], Backend | None]
"""The backend that a reference in a rule means."""


@dataclass(frozen=True, slots=True)
class EdgeRoute:
    """A route with what it leads to, the first of it first; `order` is its place among others."""

    route: ir.Route
    backends: tuple[Backend, ...]
    order: tuple[int | str, ...]


Hosts = dict[str, list[EdgeRoute]]
"""Routes in order by host name."""


def older_hosts(hostname: str, port: int, policies: Iterable[ConnectionPolicy], backends: GatewayBackends) -> Hosts:
    """The routes of MeshGatewayRoutes; the listener's own name is there even without any."""

    def find(_: Entry, ref: JsonObject) -> Backend | None:
        return backends.by_tags(ref.get("destination", {}))

    rules = []
    for policy in policies:
        http: JsonObject = policy.resource.spec.get("conf", {}).get("http", {})
        if http:
            rules.append((http.get("hostnames", ()), [http_rule(rule) for rule in http.get("rules", ())]))
    found = by_host(hostname, rules)
    found.setdefault(hostname, [])
    return {host: _ordered(_flat(of), port, find, backends, named=False) for host, of in found.items()}


def mesh_hosts(hostname: str, port: int, rules: SubsetRules, backends: GatewayBackends) -> Hosts:
    """The routes of the MeshHTTPRoutes that these rules were compiled from."""
    effective = rules.lookup(pairs(ANY_DESTINATION))
    if effective is None:
        return {}

    def find(entry: Entry, ref: JsonObject) -> Backend | None:
        return resolve_backend(rule_owner(entry.digest, effective), ref, backends.inputs)

    # Rules for a name come before those for more: of two with equal matches the former are meant.
    confs = sorted(effective.confs, key=lambda conf: exactness(next(iter(conf.get("hostnames", ())), ANY_HOST)))
    found = by_host(hostname, [(conf.get("hostnames", ()), conf.get("rules", ())) for conf in confs])
    return {host: _ordered(_flat(of), port, find, backends, named=True) for host, of in found.items()}


def older_shares(policies: Iterable[ConnectionPolicy], backends: GatewayBackends) -> list[tuple[Backend, int]]:
    """The shares of connections by MeshGatewayRoutes."""
    tcp = (policy.resource.spec.get("conf", {}).get("tcp", {}) for policy in policies)
    refs = (ref for conf in tcp for rule in conf.get("rules", ()) for ref in rule.get("backends", ()))
    named = ((backends.by_tags(ref.get("destination", {})), ref) for ref in refs)
    return [(backend, _weight(ref)) for backend, ref in named if backend is not None]


def mesh_shares(rules: SubsetRules, backends: GatewayBackends) -> list[tuple[Backend, int]]:
    """The shares of connections by MeshTCPRoutes."""
    effective = rules.lookup(pairs(ANY_DESTINATION))
    if effective is None:
        return []
    owner = tcp_owner(effective)
    named = ((resolve_backend(owner, ref, backends.inputs), ref) for ref in backend_refs(effective.conf))
    return [(backend, _weight(ref)) for backend, ref in named if backend is not None]


def shares(chosen: Iterable[tuple[Backend, int]], backends: GatewayBackends) -> tuple[ir.WeightedCluster, ...]:
    """Clusters with their weights, by name; Envoy needs a weight somewhere."""
    found: dict[str, ir.WeightedCluster] = {}
    for backend, weight in chosen:
        share = backends.share(backend, weight)
        known = found.get(share.name)
        found[share.name] = share if known is None else replace(share, weight=share.weight + known.weight)
    even = not any(share.weight for share in found.values())
    return tuple(replace(found[name], weight=1) if even else found[name] for name in sorted(found))


def _flat(rules: Iterable[Iterable[JsonObject]]) -> list[JsonObject]:
    return [rule for some in rules for rule in some]


def _weight(ref: JsonObject) -> int:
    weight = ref.get("weight")
    return 1 if weight is None else int(weight)


def _ordered(
    rules: Sequence[JsonObject], port: int, find: Find, backends: GatewayBackends, *, named: bool
) -> list[EdgeRoute]:
    made = [edge for entry in entries(rules) for edge in _routes(entry, port, find, backends, named=named)]
    found: dict[ir.RouteMatch, EdgeRoute] = {}
    for edge in sorted(made, key=lambda edge: edge.order):
        # No request would come to a second one, such as the twin of a prefix where a rule is for just that path.
        found.setdefault(edge.route.match, edge)
    return list(found.values())


def _routes(entry: Entry, port: int, find: Find, backends: GatewayBackends, *, named: bool) -> Iterator[EdgeRoute]:
    meant = ((find(entry, ref), ref) for ref in backend_refs(entry.rule))
    chosen = [(backend, _weight(ref)) for backend, ref in meant if backend is not None]

    def mirror_to(ref: JsonObject) -> str:
        backend = find(entry, ref)
        return "" if backend is None else backends.name(backend)

    forward = ir.Forward(shares(chosen, backends), idle_timeout=IDLE, split=True, missing_is_error=True)
    for route in routes(entry, forward, mirror_to, at_gateway=True):
        if not chosen and route.forwards:
            route.action = UNUSABLE
        route.name = entry.digest if named else ""
        route.matches_hash = entry.digest if named else ""
        _at_the_edge(route, port)
        yield EdgeRoute(route, tuple(backend for backend, _ in chosen), _order(entry, route.match))


def _at_the_edge(route: ir.Route, port: int) -> None:
    """What gateways do otherwise than sidecars."""
    headers = sorted(route.match.headers, key=lambda one: (one.name != _METHOD, _CONDITIONS.index(one.kind)))
    route.match = replace(route.match, headers=tuple(headers))
    if isinstance(route.action, ir.Forward):
        for header in route.request_headers_to_add:
            if header.overwrite and header.name.lower() in _HOST:
                route.action.host_rewrite = header.value
    elif isinstance(route.action, ir.Redirect):
        route.action = replace(route.action, port=route.action.port or port, strip_query=True)
    route.request_headers_to_add = _canonical(h for h in route.request_headers_to_add if h.name.lower() not in _HOST)
    route.response_headers_to_add = _canonical(route.response_headers_to_add)


def _canonical(headers: Iterable[ir.HeaderValue]) -> tuple[ir.HeaderValue, ...]:
    return tuple(replace(h, name="-".join(part.capitalize() for part in h.name.split("-"))) for h in headers)


def _order(entry: Entry, match: ir.RouteMatch) -> tuple[int | str, ...]:
    """The place of a route: what is more exact comes first."""
    rank = _RANKS[match.path_kind] if entry.match.get("path") else _NO_PATH
    method = any(header.name == _METHOD for header in match.headers)
    return (rank, -len(match.path), not method, -len(match.headers), -len(match.query), match.path)


def virtual_host(host: str, found: Sequence[EdgeRoute]) -> ir.VirtualHost:
    """The virtual host of a name; without routes it says so."""
    answer = [edge.route for edge in found] or [ir.Route(ir.RouteMatch("/"), NO_ROUTE)]
    return ir.VirtualHost(host, answer, (host,))
