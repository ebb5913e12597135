"""Zone ingress and egress: connections are sorted by SNI and passed on; their TLS is not touched (`xds.md` §6)."""

from __future__ import annotations

import orjson

from ursa.ir import origins
from ursa.ir.address import SocketAddress
from ursa.ir.cluster import EDS, Cluster
from ursa.ir.listener import INBOUND, ChainMatch, DirectAnswer, FilterChain, Listener, TcpProxy
from ursa.ir.naming import stat_safe
from ursa.ir.plan import EdsReference, ProxyPlan
from ursa.planner import names
from ursa.planner.blocks import reuse_port, to
from ursa.planner.inputs import ZoneProxyInputs


def plan_zone_proxy(plan: ProxyPlan, inputs: ZoneProxyInputs) -> None:
    """Adds the listener with a chain per SNI and the clusters behind them.

    An ingress that leads nowhere says so to whoever connects; an egress without destinations does not listen.
    """
    chains: dict[str, FilterChain] = {}
    subsets: dict[str, set[tuple[str, ...]]] = {}
    for destination in inputs.destinations:
        cluster = names.zone_proxy_cluster(destination.mesh, destination.service)
        keys = subsets.setdefault(cluster, set())
        if destination.tags:
            keys.add(tuple(sorted(key for key, _ in destination.tags)))
        proxy = TcpProxy(stat_safe(cluster), to(cluster), metadata_match=destination.tags)
        match = ChainMatch("tls", server_names=(destination.sni,))
        chains.setdefault(destination.sni, FilterChain([proxy], match=match))
        plan.endpoints[cluster] = EdsReference(destination.mesh, destination.service, reach=inputs.reach)
    for cluster, keys in subsets.items():
        plan.add(Cluster(cluster, EDS, inputs.origin, subset_keys=tuple(sorted(keys))))
    if chains:
        plan.add(_listener(inputs, list(chains.values())))
    elif inputs.origin == origins.INGRESS:
        plan.add(_listener(inputs, [_nowhere(inputs)]))


def _listener(inputs: ZoneProxyInputs, chains: list[FilterChain]) -> Listener:
    return Listener(
        names.inbound_listener(inputs.address, inputs.port),
        SocketAddress(inputs.address, inputs.port),
        inputs.origin,
        chains,
        direction=INBOUND,
        reuse_port=reuse_port(inputs.facts),
        tls_inspector=True,
    )


def _nowhere(inputs: ZoneProxyInputs) -> FilterChain:
    answer = orjson.dumps({"proxy": f".{inputs.name}", "zone": inputs.zone}).decode()
    return FilterChain([DirectAnswer(answer)])
