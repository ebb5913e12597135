"""What an egress reaches outside of the mesh: ExternalServices and MeshExternalServices with what counts for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ursa.ir.cluster import Endpoint
from ursa.ir.tls import TlsMatch
from ursa.model.labels import ZONE_TAG
from ursa.model.real_service import RealService
from ursa.planner import names
from ursa.planner.inputs import ExternalDestination
from ursa.planner.meshes import MeshState
from ursa.planner.requested import Requested
from ursa.policies.core.policy import Policy
from ursa.policies.legacy.inbounds import inbound_policies
from ursa.topology.destinations import sni_of_service, sni_of_tags, without_service
from ursa.topology.external_services import ExternalService, tls_matches
from ursa.topology.mesh_external_services import MeshExternalService

Selected = tuple[tuple[Policy, ...], ...]
"""Per plugin, the policies that select an ExternalService."""

MESH = "mesh"
"""Tag that tells the meshes apart on an egress."""


def external_destination(
    state: MeshState,
    servers: Sequence[ExternalService],
    policies: tuple[Selected, ...],
    requested: Requested,
    *,
    unified: bool,
) -> ExternalDestination:
    """The ExternalServices of one service.

    Args:
        state: the mesh.
        servers: those that can be reached from this zone.
        policies: the policies that select each of them.
        requested: what is asked for in the mesh.
        unified: whether names in routes and statistics are those of clusters.
    """
    mesh, service = state.mesh.name, servers[0].service
    cluster = names.zone_proxy_cluster(mesh, service)
    label = cluster if unified else service
    endpoints = tuple(_endpoint(one.host, one.port, one.endpoint_tags, mesh) for one in servers)
    snis = tuple(
        (sni_of_tags(tags, mesh), tuple({**without_service(tags), MESH: mesh}.items()))
        for tags in requested.of(service, [dict(one.tags) for one in servers])
    )
    return ExternalDestination(
        cluster,
        label,
        chain=f"{label}_{mesh}",
        routes=f"outbound:{label}",
        snis=snis,
        protocol=servers[0].protocol,
        endpoints=endpoints,
        tls=tls_matches(zip(servers, endpoints, strict=True)),
        service=service,
        older=inbound_policies(state.legacy, dict(servers[0].tags)),
        policies=policies,
    )


@dataclass(frozen=True, slots=True)
class RealServers:
    """A MeshExternalService with what is behind it, and what its name and TLS on an egress depend on.

    Attributes:
        system_ca: where the egress finds the CAs of its system.
        system_namespace: that of the control plane, empty outside of Kubernetes.
        unified: whether it is named by its identifier.
    """

    service: RealService
    behind: MeshExternalService
    system_ca: str
    system_namespace: str
    unified: bool


def mesh_external_destination(of: RealServers) -> ExternalDestination:
    """A MeshExternalService, which has one port."""
    service, servers = of.service, of.behind.servers
    (port,) = service.ports
    tls = of.behind.tls_with(of.system_ca)
    name = service.kri(port.section) if of.unified else service.legacy_name(port.number)
    sni = sni_of_service(service, port.number, system_namespace=of.system_namespace)
    return ExternalDestination(
        *(name, name, name, name),
        snis=((sni, ()),),
        protocol=port.protocol,
        endpoints=tuple(_endpoint(host, number, service.labels, service.mesh) for host, number in servers),
        tls=() if tls is None else (TlsMatch(servers[0][0], (), tls),),
        real=service.kri(port.section),
    )


def _endpoint(address: str, port: int, tags: Mapping[str, str], mesh: str) -> Endpoint:
    return Endpoint(address, port, tags=without_service({**tags, MESH: mesh}), zone=tags.get(ZONE_TAG))
