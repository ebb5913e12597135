"""Outbounds to ExternalServices: straight from the sidecar, or by an egress of the zone (`spec/xds.md` §2.5, §4.5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ursa.ir import origins
from ursa.ir.cluster import EDS, STATIC, STRICT_DNS, Cluster, Endpoint, HttpOptions
from ursa.ir.naming import is_ip
from ursa.model.dataplane import Dataplane
from ursa.planner.blocks import mesh_client_tls, service_san
from ursa.planner.inputs import ExternalOutbound
from ursa.planner.meshes import MeshState
from ursa.planner.names import Scheme
from ursa.policies.legacy.matching import best_rank, for_inbound
from ursa.policies.legacy.traffic_permission import KIND as TRAFFIC_PERMISSION
from ursa.topology.destinations import cluster_name, sni_of_tags, without_service
from ursa.topology.endpoints import Surroundings, located
from ursa.topology.external_services import ExternalService, tls_matches
from ursa.topology.protocols import GRPC, HTTP, HTTP2

EGRESS_SERVICE = "zone-egress"
"""The service as which egresses prove who they are."""


def external_outbounds(
    state: MeshState, dataplane: Dataplane, external: Mapping[str, tuple[ExternalService, ...]], zone: str
) -> tuple[ExternalOutbound, ...]:
    """The external services that a proxy may use; without a TrafficPermission for it there is no way to one."""
    if state.mesh.zone_egress:
        return tuple(map(ExternalOutbound, sorted(external)))
    around = Surroundings(state.mesh, zone)
    permissions = state.legacy.get(TRAFFIC_PERMISSION, ())
    found = []
    for service, servers in sorted(external.items()):
        instances = tuple(
            (server, located(server.host, server.port, 1, server.endpoint_tags, around))
            for server in servers
            if (permission := for_inbound(permissions, dict(server.tags))) is not None
            and best_rank(permission.sources, dataplane.tag_sets) is not None
        )
        if instances:
            found.append(ExternalOutbound(service, instances, ":" in dataplane.address))
    return tuple(found)


def external_cluster(
    outbound: ExternalOutbound, tags: Mapping[str, str], mesh: str, protocol: str, scheme: Scheme
) -> Cluster:
    """The cluster of those servers that have all the tags."""
    cluster = Cluster(cluster_name(tags), EDS, origins.OUTBOUND, http=http_options(protocol))
    if outbound.instances:
        wanted = without_service(tags).items()
        chosen = [(server, endpoint) for server, endpoint in outbound.instances if wanted <= endpoint.tags.items()]
        lead_outside(cluster, chosen, ipv6=outbound.ipv6)
    else:
        cluster.tls = mesh_client_tls(mesh, sni_of_tags(tags, mesh), (service_san(mesh, EGRESS_SERVICE),), scheme)
    return cluster


def lead_outside(cluster: Cluster, instances: Iterable[tuple[ExternalService, Endpoint]], *, ipv6: bool) -> None:
    """Makes a cluster of servers outside of the mesh, each with the TLS it asks for."""
    servers = tuple(instances)
    cluster.endpoints = tuple(endpoint for _, endpoint in servers)
    cluster.tls_matches = tls_matches(servers)
    resolve_names(cluster, ipv6=ipv6)


def resolve_names(cluster: Cluster, *, ipv6: bool) -> None:
    """Has Envoy resolve the endpoints' host names, if there are any."""
    named = any(not is_ip(endpoint.address) for endpoint in cluster.endpoints)
    cluster.type = STRICT_DNS if named else STATIC
    cluster.ipv4_only = named and not ipv6


def http_options(protocol: str) -> HttpOptions | None:
    """How a cluster outside of the mesh speaks HTTP."""
    if protocol == HTTP:
        return HttpOptions(1)
    return HttpOptions(2) if protocol in (HTTP2, GRPC) else None
