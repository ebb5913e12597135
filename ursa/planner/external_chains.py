"""Filter chains and clusters by which an egress passes on what leaves the mesh (`spec/xds.md` §6.2).

The egress ends the mesh's TLS here, so that it sees who the client is and may begin the TLS that the server wants.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ursa.ir import origins
from ursa.ir.cluster import STATIC, Cluster
from ursa.ir.listener import (
    ChainMatch,
    FilterChain,
    HttpConnectionManager,
    NetworkFilter,
    Router,
    TcpProxy,
)
from ursa.ir.naming import stat_safe
from ursa.ir.routes import Forward, Route, RouteConfig, RouteMatch, VirtualHost
from ursa.model.labels import SERVICE_TAG
from ursa.planner.blocks import internal_cidrs, mesh_server_tls, to
from ursa.planner.external_outbounds import http_options, resolve_names
from ursa.planner.inputs import ExternalDestination, Leaving, Pairs
from ursa.policies.legacy.inbounds import adjust_external
from ursa.policies.plugin import EgressTarget, PolicyPlugin
from ursa.topology.protocols import HTTP_LIKE


def external_cluster(destination: ExternalDestination, context: Leaving) -> Cluster:
    """The servers of a destination."""
    cluster = Cluster(
        destination.cluster,
        STATIC,
        origins.EGRESS,
        endpoints=destination.endpoints,
        http=http_options(destination.protocol),
        tls_matches=destination.tls,
        protocol=destination.protocol,
        tags={SERVICE_TAG: destination.service} if destination.service else {},
        resource_origin=destination.real,
    )
    resolve_names(cluster, ipv6=context.resolve_ipv6)
    return cluster


def external_chains(
    destination: ExternalDestination, cluster: Cluster, context: Leaving, plugins: Sequence[PolicyPlugin]
) -> Iterator[FilterChain]:
    """A chain per SNI, with what permissions and policies say."""
    for sni, tags in destination.snis:
        chain = FilterChain(
            [_forwarding(destination, tags, context)],
            match=ChainMatch("tls", server_names=(sni,)),
            tls=mesh_server_tls(context.mesh, context.scheme),
            name=destination.chain,
        )
        _restrict(destination, chain, cluster, context, plugins)
        yield chain


def _restrict(
    destination: ExternalDestination,
    chain: FilterChain,
    cluster: Cluster,
    context: Leaving,
    plugins: Sequence[PolicyPlugin],
) -> None:
    target = EgressTarget(chain, cluster, context.listener, context.mesh, context.forbidden)
    if destination.real:
        for plugin, policies in zip(plugins, context.policies, strict=True):
            plugin.mesh_external(target, policies)
        return
    adjust_external(chain, destination.label, destination.older, context.mesh)
    for selected in destination.policies:
        for plugin, policies in zip(plugins, selected, strict=True):
            plugin.external(target, policies)


def _forwarding(destination: ExternalDestination, tags: Pairs, context: Leaving) -> NetworkFilter:
    stat_prefix, clusters = stat_safe(destination.label), to(destination.cluster)
    if destination.protocol not in HTTP_LIKE:
        return TcpProxy(stat_prefix, clusters, metadata_match=tags)
    route = Route(RouteMatch("/"), Forward(clusters, timeout=0, auto_host_rewrite=True))
    return HttpConnectionManager(
        stat_prefix,
        RouteConfig(destination.routes, [VirtualHost(destination.label, [route])]),
        [Router()],
        internal_addresses=internal_cidrs(context.settings, ipv6=context.ipv6),
    )
