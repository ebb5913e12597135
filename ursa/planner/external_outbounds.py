"""Outbounds to ExternalServices: straight from the sidecar, or by an egress of the zone (`spec/xds.md` §2.5, §4.5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ursa.ir import origins
from ursa.ir.cluster import EDS, STATIC, STRICT_DNS, Cluster, Endpoint, HttpOptions
from ursa.ir.naming import is_ip
from ursa.model.dataplane import Dataplane
from ursa.planner.blocks import mesh_client_tls, service_san
from ursa.planner.external import ExternalIndex
from ursa.planner.inputs import ExternalOutbound
from ursa.planner.meshes import MeshState
from ursa.planner.names import Scheme
from ursa.policies.legacy.matching import Tags, best_rank, for_inbound
from ursa.policies.legacy.traffic_permission import KIND as TRAFFIC_PERMISSION
from ursa.topology.destinations import cluster_name, sni_of_tags, without_service
from ursa.topology.endpoints import Surroundings, located
from ursa.topology.external_services import ExternalService, tls_matches
from ursa.topology.protocols import GRPC, HTTP, HTTP2

EGRESS_SERVICE = "zone-egress"
"""The service as which egresses prove who they are."""


@dataclass(frozen=True, slots=True)
class _Server:
    """A server outside of the mesh, and the tags of whom the TrafficPermission for it lets in, None without one."""

    server: ExternalService
    endpoint: Endpoint
    sources: tuple[Tags, ...] | None

    def lets_in(self, dataplane: Dataplane) -> bool:
        """Whether a proxy may go there; where nothing is said about it, builtin gateways may."""
        if self.sources is None:
            return dataplane.builtin_gateway
        return best_rank(self.sources, dataplane.tag_sets) is not None


@dataclass(frozen=True, slots=True)
class _Known:
    """The servers of a mesh by service, and what they were made of."""

    state: MeshState
    external: Mapping[str, tuple[ExternalService, ...]]
    servers: Mapping[str, tuple[_Server, ...]]


class ExternalOutbounds:
    """The external services that proxies may use; what is the same for all proxies of a mesh is found out once."""

    def __init__(self, zone: str, external: ExternalIndex) -> None:
        self._zone, self._external = zone, external
        self._known: dict[str, _Known] = {}

    def of(self, state: MeshState, dataplane: Dataplane) -> tuple[ExternalOutbound, ...]:
        """What a proxy may use; without a TrafficPermission for it sidecars have no way to a server but by egresses."""
        external = self._external.of(state.mesh.name)
        if state.mesh.zone_egress or not external:
            return tuple(map(ExternalOutbound, sorted(external)))
        found = []
        for service, servers in self._servers(state, external).items():
            instances = tuple((one.server, one.endpoint) for one in servers if one.lets_in(dataplane))
            if instances:
                found.append(ExternalOutbound(service, instances, ":" in dataplane.address))
        return tuple(found)

    def _servers(
        self, state: MeshState, external: Mapping[str, tuple[ExternalService, ...]]
    ) -> Mapping[str, tuple[_Server, ...]]:
        mesh = state.mesh.name
        known = self._known.get(mesh)
        if known is None or known.state is not state or known.external is not external:
            servers = {service: tuple(self._located(state, all_of)) for service, all_of in sorted(external.items())}
            known = self._known[mesh] = _Known(state, external, servers)
        return known.servers

    def _located(self, state: MeshState, servers: Iterable[ExternalService]) -> Iterator[_Server]:
        around = Surroundings(state.mesh, self._zone)
        permissions = state.legacy.get(TRAFFIC_PERMISSION, ())
        for server in servers:
            permission = for_inbound(permissions, dict(server.tags))
            endpoint = located(server.host, server.port, 1, server.endpoint_tags, around)
            yield _Server(server, endpoint, None if permission is None else permission.sources)


def external_cluster(
    outbound: ExternalOutbound, tags: Mapping[str, str], mesh: str, protocol: str, scheme: Scheme
) -> Cluster:
    """The cluster of those servers that have all the tags."""
    cluster = Cluster(cluster_name(tags), EDS, origins.OUTBOUND, http=http_options(protocol))
    if outbound.instances:
        wanted = without_service(tags).items()
        chosen = [(server, endpoint) for server, endpoint in outbound.instances if wanted <= endpoint.tags.items()]
        cluster.endpoints = tuple(endpoint for _, endpoint in chosen)
        cluster.tls_matches = tls_matches(chosen)
        resolve_names(cluster, ipv6=outbound.ipv6)
    else:
        cluster.tls = mesh_client_tls(mesh, sni_of_tags(tags, mesh), (service_san(mesh, EGRESS_SERVICE),), scheme)
    return cluster


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
