"""Passthrough of redirected connections that no other listener takes (`spec/xds.md` §2.3)."""

from __future__ import annotations

from ursa.ir import origins
from ursa.ir.address import SocketAddress
from ursa.ir.cluster import ORIGINAL_DST, STATIC, Cluster
from ursa.ir.listener import INBOUND, OUTBOUND, ChainMatch, FilterChain, Listener, TcpProxy
from ursa.ir.naming import stat_safe
from ursa.ir.plan import ProxyPlan
from ursa.model.dataplane import SERVICELESS_PORT
from ursa.planner import names
from ursa.planner.blocks import reuse_port, tcp_chain, to
from ursa.planner.inbounds import LOOPBACK_SOURCE
from ursa.planner.inputs import FEATURE_BIND_OUTBOUNDS, FEATURE_STRICT_INBOUND_PORTS, InboundInputs, Redirection
from ursa.planner.matched_passthrough import let_pass
from ursa.policies.core.policy import Policy
from ursa.policies.mesh_passthrough.effect import passing
from ursa.policies.mesh_tls.effect import KIND as MESH_TLS
from ursa.policies.mesh_tls.effect import is_permissive

_ANY = {False: "0.0.0.0", True: "::"}


def plan_passthrough(plan: ProxyPlan, inputs: InboundInputs) -> None:
    """Adds the catch-all listeners, for both directions and address families."""
    redirection = inputs.redirection
    if redirection is None or not redirection.outbound_port or inputs.facts.has(FEATURE_BIND_OUTBOUNDS):
        return
    plan.add(Cluster(names.NO_DESTINATION, STATIC, origins.TRANSPARENT, alt_stat_name=True))
    for ipv6 in (False, True) if redirection.ipv6 else (False,):
        _outbound(plan, inputs, redirection, ipv6)
        _inbound(plan, inputs, redirection, ipv6)


def _outbound(plan: ProxyPlan, inputs: InboundInputs, redirection: Redirection, ipv6: bool) -> None:
    name = inputs.scheme.passthrough("outbound", _family(ipv6))
    passes = passing(inputs.passthrough, by_default=inputs.mesh.passthrough)
    if passes.everything:
        plan.add(Cluster(name, ORIGINAL_DST, origins.TRANSPARENT, cluster_provided=True))
    # Without passthrough the listener leads to a cluster that does not exist, which closes every connection.
    address = SocketAddress(_ANY[ipv6], redirection.outbound_port)
    chain = tcp_chain(stat_safe(name), name)
    listener = Listener(name, address, origins.TRANSPARENT, [chain], direction=OUTBOUND, original_dst=True)
    if passes.matches:
        let_pass(plan, listener, passes.matches, inputs, ipv6=ipv6)
    plan.add(listener)


def _inbound(plan: ProxyPlan, inputs: InboundInputs, redirection: Redirection, ipv6: bool) -> None:
    name = inputs.scheme.passthrough("inbound", _family(ipv6))
    source = LOOPBACK_SOURCE[ipv6]
    plan.add(Cluster(name, ORIGINAL_DST, origins.TRANSPARENT, cluster_provided=True, bind_source=source))
    chains = _port_chains(inputs, name) if _strict(inputs) else [tcp_chain(stat_safe(name), name)]
    plan.add(
        Listener(
            name,
            SocketAddress(_ANY[ipv6], redirection.inbound_port),
            origins.TRANSPARENT,
            chains,
            direction=INBOUND,
            original_dst=True,
            reuse_port=reuse_port(inputs.facts),
        )
    )


def _strict(inputs: InboundInputs) -> bool:
    """Whether only the ports of inbounds may be reached: otherwise a port without inbound would bypass mTLS."""
    backend = inputs.mesh.backend
    if backend is None or not inputs.facts.has(FEATURE_STRICT_INBOUND_PORTS):
        return False
    positions = range(len(inputs.dataplane.inbounds))
    return not all(is_permissive(_tls_policies(inputs, p), by_default=backend.permissive) for p in positions)


def _tls_policies(inputs: InboundInputs, position: int) -> list[Policy]:
    return [policy for kind in inputs.policies for policy in kind[position] if policy.kind == MESH_TLS]


def _port_chains(inputs: InboundInputs, cluster: str) -> list[FilterChain]:
    chains = []
    for port in sorted({inbound.port for inbound in inputs.dataplane.inbounds}):
        destination = names.NO_DESTINATION if port == SERVICELESS_PORT else cluster
        proxy = TcpProxy(stat_safe(cluster), to(destination))
        chains.append(FilterChain([proxy], match=ChainMatch(destination_port=port)))
    return chains


def _family(ipv6: bool) -> str:
    return "ipv6" if ipv6 else "ipv4"
