"""Zone ingress and egress: connections are sorted by SNI and passed on (`spec/xds.md` §6).

What a mesh contributes is planned by itself and shared by all proxies to which it contributes the same, so a change in
one mesh leaves the others' chains and clusters as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import orjson

from ursa.ir import origins
from ursa.ir.address import SocketAddress
from ursa.ir.cluster import EDS, Cluster
from ursa.ir.listener import INBOUND, ChainMatch, DirectAnswer, FilterChain, Listener, TcpProxy
from ursa.ir.naming import stat_safe
from ursa.ir.plan import EdsReference, ProxyPlan
from ursa.planner.blocks import reuse_port, to
from ursa.planner.external_chains import external_chains, external_cluster
from ursa.planner.inputs import MeshShare, ZoneProxyInputs
from ursa.policies.plugin import PolicyPlugin


@dataclass(slots=True)
class SharePlan:
    """What one mesh contributes: chains of the listener, and the clusters behind them."""

    chains: list[FilterChain] = field(default_factory=list)
    plan: ProxyPlan = field(default_factory=ProxyPlan)


def plan_share(share: MeshShare, plugins: Sequence[PolicyPlugin]) -> SharePlan:
    """Plans the share of one mesh: first what is in the mesh, then what is outside of it."""
    planned = SharePlan()
    _pass_on(planned, share)
    for destination in share.external:
        cluster = external_cluster(destination, share)
        planned.chains += external_chains(destination, cluster, share, plugins)
        planned.plan.add(cluster)
    if share.external:
        planned.plan.identities.add(share.mesh.name)
        planned.plan.authorities.add(share.mesh.name)
    return planned


def plan_zone_proxy(plan: ProxyPlan, inputs: ZoneProxyInputs, chains: Iterable[FilterChain]) -> None:
    """Adds the listener with the chains of all meshes.

    An ingress that leads nowhere says so to whoever connects; an egress without destinations does not listen.
    """
    found = list(chains)
    if found:
        plan.add(_listener(inputs, found))
    elif inputs.origin == origins.INGRESS:
        plan.add(_listener(inputs, [_nowhere(inputs)]))


def _pass_on(planned: SharePlan, share: MeshShare) -> None:
    """Chains that hand connections on without touching their TLS."""
    subsets: dict[str, set[tuple[str, ...]]] = {}
    for destination in share.destinations:
        cluster = destination.cluster
        keys = subsets.setdefault(cluster, set())
        if destination.tags:
            keys.add(tuple(sorted(key for key, _ in destination.tags)))
        proxy = TcpProxy(stat_safe(cluster), to(cluster), metadata_match=destination.tags)
        match = ChainMatch("tls", server_names=(destination.sni,))
        planned.chains.append(FilterChain([proxy], match=match))
        planned.plan.endpoints[cluster] = EdsReference(share.mesh.name, destination.service, reach=share.reach)
    for cluster, keys in subsets.items():
        planned.plan.add(Cluster(cluster, EDS, share.origin, subset_keys=tuple(sorted(keys))))


def _listener(inputs: ZoneProxyInputs, chains: list[FilterChain]) -> Listener:
    return Listener(
        inputs.listener,
        SocketAddress(inputs.address, inputs.port),
        inputs.origin,
        chains,
        direction=INBOUND,
        reuse_port=reuse_port(inputs.facts),
        tls_inspector=True,
        stat_prefix=inputs.listener if inputs.unified else "",
    )


def _nowhere(inputs: ZoneProxyInputs) -> FilterChain:
    answer = orjson.dumps({"proxy": f".{inputs.name}", "zone": inputs.zone}).decode()
    return FilterChain([DirectAnswer(answer)])
