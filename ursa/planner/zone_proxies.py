"""Zone ingress and egress: connections are sorted by SNI and passed on (`spec/xds.md` §6).

The way to each destination is planned by itself and shared by all proxies that lead there, so a change of one
destination leaves the chains and clusters of all others as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from ursa.ir import origins
from ursa.ir.address import SocketAddress
from ursa.ir.cluster import EDS, Cluster
from ursa.ir.listener import INBOUND, ChainMatch, DirectAnswer, FilterChain, Listener, TcpProxy
from ursa.ir.naming import stat_safe
from ursa.ir.plan import EdsReference, ProxyPlan
from ursa.model.labels import SERVICE_TAG
from ursa.planner.blocks import reuse_port, to
from ursa.planner.external_chains import external_chains, external_cluster
from ursa.planner.inputs import (
    Destination,
    ExternalDestination,
    Leaving,
    PassedDestination,
    Passing,
    ShareContext,
    ZoneProxyInputs,
)
from ursa.policies.core.matching import destination_rules
from ursa.policies.core.real_rules import RealRules
from ursa.policies.plugin import DestinationRules, PolicyPlugin
from ursa.topology.localities import arranged


@dataclass(frozen=True, slots=True)
class Way:
    """How a zone proxy leads to a destination.

    Attributes:
        chains: for the listener.
        endpoints: whose endpoints the cluster has; None when they are in it.
    """

    cluster: Cluster
    chains: tuple[FilterChain, ...]
    endpoints: EdsReference | None = None


def plan_way(context: ShareContext, destination: Destination, plugins: Sequence[PolicyPlugin]) -> Way:
    """Plans the way to one destination; worth remembering."""
    if isinstance(context, Passing) and isinstance(destination, PassedDestination):
        return _pass_on(context, destination, plugins)
    if isinstance(context, Leaving) and isinstance(destination, ExternalDestination):
        cluster = external_cluster(destination, context)
        chains = tuple(external_chains(destination, cluster, context, plugins))
        if destination.service:
            _heed_clients(cluster, chains, context, plugins)
            if cluster.localities is not None:
                cluster.endpoints = arranged(cluster.endpoints, cluster.localities)
        return Way(cluster, chains)
    raise TypeError(f"{type(destination).__name__} in a share of {type(context).__name__}")


def plan_zone_proxy(plan: ProxyPlan, inputs: ZoneProxyInputs) -> None:
    """Adds the listener, whose chains are made with the shares.

    An ingress that leads nowhere says so to whoever connects; an egress without destinations does not listen.
    """
    if inputs.shares:
        plan.add(_listener(inputs, []))
    elif inputs.origin == origins.INGRESS:
        plan.add(_listener(inputs, [_nowhere(inputs)]))


def _pass_on(context: Passing, destination: PassedDestination, plugins: Sequence[PolicyPlugin]) -> Way:
    """Chains that hand connections on without touching their TLS."""
    name = destination.cluster
    chains = tuple(
        FilterChain(
            [TcpProxy(stat_safe(name), to(name), metadata_match=tags)],
            match=ChainMatch("tls", server_names=(sni,)),
        )
        for sni, tags in destination.snis
    )
    keys = {tuple(sorted(key for key, _ in tags)) for _, tags in destination.snis if tags}
    tags = {SERVICE_TAG: destination.service}
    cluster = Cluster(name, EDS, context.origin, subset_keys=tuple(sorted(keys)), tags=tags)
    _heed_clients(cluster, chains, context, plugins)
    reference = EdsReference(context.mesh, destination.service, reach=context.reach, localities=cluster.localities)
    return Way(cluster, chains, reference)


def _heed_clients(
    cluster: Cluster, chains: Sequence[FilterChain], context: ShareContext, plugins: Sequence[PolicyPlugin]
) -> None:
    """Adjusts the way to a service known by tag by what policies for all clients say about it."""
    for plugin, policies in zip(plugins, context.policies, strict=True) if context.policies else ():
        if policies:
            plugin.passed_on(cluster, chains, context.zone, DestinationRules(destination_rules(policies), RealRules()))


def _listener(inputs: ZoneProxyInputs, chains: list[FilterChain]) -> Listener:
    return Listener(
        inputs.listener,
        SocketAddress(inputs.address, inputs.port),
        inputs.origin,
        chains,
        direction=INBOUND,
        reuse_port=reuse_port(inputs.facts),
        tls_inspector=True,
        stat_prefix=inputs.listener if inputs.scheme.unified else "",
    )


def _nowhere(inputs: ZoneProxyInputs) -> FilterChain:
    answer = orjson.dumps({"proxy": f".{inputs.name}", "zone": inputs.zone}).decode()
    return FilterChain([DirectAnswer(answer)])
