"""Filter chains for single destinations outside of the mesh (MeshPassthrough, mode Matched)."""

from __future__ import annotations

from collections.abc import Sequence

from ursa.ir import origins
from ursa.ir.cluster import ORIGINAL_DST, Cluster, HttpOptions
from ursa.ir.listener import ChainMatch, FilterChain, HttpConnectionManager, Listener, Router
from ursa.ir.naming import stat_safe
from ursa.ir.plan import ProxyPlan
from ursa.ir.routes import DirectResponse, Forward, Route, RouteConfig, RouteMatch, VirtualHost
from ursa.planner.blocks import internal_cidrs, tcp_chain, to
from ursa.planner.inputs import InboundInputs
from ursa.policies.mesh_passthrough.effect import DOMAIN, HTTP_LIKE, Match

NO_MATCH = (
    "This response comes from Kuma Sidecar. No routes matched this domain - check configuration of your "
    "MeshPassthrough policy.\n"
)
_PREFIX = "meshpassthrough"
_HTTP_VERSIONS = ("http/1.1", "h2c")


def let_pass(
    plan: ProxyPlan, listener: Listener, matches: Sequence[Match], inputs: InboundInputs, *, ipv6: bool
) -> None:
    """Replaces the chains of a passthrough listener by those of the destinations with addresses of its family."""
    found = [match for match in matches if match.ipv6 in (None, ipv6)]
    together: dict[tuple[str, int, str], list[Match]] = {}
    for match in found:
        together.setdefault(_chain_key(match), []).append(match)
    chains: dict[ChainMatch, FilterChain] = {}
    for members in together.values():
        # Envoy refuses a listener in which two chains are for the same connections; the one that comes first counts.
        chains.setdefault(_chain_match(members[0]), _chain(members, inputs))
        plan.add(*map(_cluster, members))
    listener.chains = list(chains.values())
    listener.original_dst_filter = listener.tls_inspector = listener.http_inspector = True
    listener.uninspected_ports = tuple(sorted({match.port for match in found if match.protocol == "mysql"}))


def _chain_key(match: Match) -> tuple[str, int, str]:
    """Domains whose requests are read share a chain per port; everything else has one of its own."""
    shared = match.protocol in HTTP_LIKE and match.type == DOMAIN
    return match.protocol, match.port, "" if shared else match.value


def _chain(members: Sequence[Match], inputs: InboundInputs) -> FilterChain:
    first = members[0]
    match = _chain_match(first)
    if first.protocol not in HTTP_LIKE:
        chain = tcp_chain(stat_safe(_name(first)), _name(first))
        chain.match, chain.name = match, _name(first)
        return chain
    name = f"{_PREFIX}_{first.protocol}_{_port(first)}" if first.type == DOMAIN else _name(first)
    return FilterChain([_http(name, members, inputs)], match=match, name=name)


def _chain_match(match: Match) -> ChainMatch:
    tls = match.protocol == "tls"
    return ChainMatch(
        transport_protocol="tls" if tls else "raw_buffer",
        application_protocols=_HTTP_VERSIONS if match.protocol in HTTP_LIKE else (),
        server_names=(match.value,) if tls and match.type == DOMAIN else (),
        destination_port=match.port,
        destination=match.prefix,
    )


def _http(name: str, members: Sequence[Match], inputs: InboundInputs) -> HttpConnectionManager:
    hosts = [
        VirtualHost(m.value, [Route(RouteMatch("/"), Forward(to(_name(m)), timeout=0))], domains=_domains(m))
        for m in members
    ]
    if members[0].type == DOMAIN:
        hosts.append(VirtualHost("no_match", [Route(RouteMatch("/"), DirectResponse(503, NO_MATCH))]))
    return HttpConnectionManager(
        stat_safe(name),
        RouteConfig(name, hosts),
        [Router()],
        internal_addresses=internal_cidrs(inputs.settings, ipv6=inputs.facts.ipv6),
    )


def _domains(match: Match) -> tuple[str, ...]:
    if match.type != DOMAIN:
        return ("*",)
    return match.value, f"{match.value}:{_port(match)}"


def _cluster(match: Match) -> Cluster:
    http = HttpOptions(2) if match.protocol in ("http2", "grpc") else None
    return Cluster(_name(match), ORIGINAL_DST, origins.MESH_PASSTHROUGH, cluster_provided=True, http=http)


def _name(match: Match) -> str:
    protocol = "tcp" if match.protocol == "mysql" else match.protocol
    return f"{_PREFIX}_{protocol}_{match.value}_{_port(match)}"


def _port(match: Match) -> str:
    return str(match.port) if match.port else "*"
