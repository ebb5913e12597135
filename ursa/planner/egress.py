"""What an egress reaches outside of the mesh: ExternalServices and MeshExternalServices with what counts for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from ursa.ir.cluster import Endpoint
from ursa.ir.tls import TlsMatch
from ursa.model.real_service import MESH_EXTERNAL_SERVICE, RealService
from ursa.planner import names
from ursa.planner.chains import destinations
from ursa.planner.inputs import ExternalDestination, Settings
from ursa.planner.meshes import MeshState
from ursa.policies.core.policy import Policy
from ursa.policies.legacy.inbounds import inbound_policies
from ursa.topology.destinations import sni_of_service, sni_of_tags, without_service
from ursa.topology.endpoints import Surroundings, located
from ursa.topology.external_services import ExternalService, tls_matches
from ursa.topology.mesh_external_services import MeshExternalService

Selected = tuple[tuple[Policy, ...], ...]
"""Per plugin, the policies that select an ExternalService."""

MESH = "mesh"
"""Tag that tells the meshes apart on an egress."""


def external_destinations(
    state: MeshState,
    external: Mapping[str, Sequence[ExternalService]],
    zone: str,
    select: Callable[[ExternalService], Selected],
    *,
    unified: bool,
) -> dict[str, ExternalDestination]:
    """The ExternalServices that can be reached from this zone, by service.

    Args:
        state: the mesh.
        external: its ExternalServices by service.
        zone: name of this zone.
        select: the policies that select an ExternalService.
        unified: whether names in routes and statistics are those of clusters.
    """
    found = {}
    for service, servers in external.items():
        reachable = [server for server in servers if server.zone in ("", zone)]
        if reachable:
            found[service] = _external(state, service, reachable, zone, unified=unified)
            selected = tuple(map(select, reachable))
            found[service] = replace(found[service], policies=selected)
    return found


def _external(
    state: MeshState, service: str, servers: Sequence[ExternalService], zone: str, *, unified: bool
) -> ExternalDestination:
    mesh, around = state.mesh.name, Surroundings(state.mesh, zone)
    cluster = names.zone_proxy_cluster(mesh, service)
    label = cluster if unified else service
    endpoints = [_endpoint(one.host, one.port, one.endpoint_tags, around) for one in servers]
    snis = tuple(
        (sni_of_tags(tags, mesh), tuple({**without_service(tags), MESH: mesh}.items()))
        for tags in destinations(state, service)
    )
    return ExternalDestination(
        cluster,
        label,
        chain=f"{label}_{mesh}",
        routes=f"outbound:{label}",
        snis=snis,
        protocol=servers[0].protocol,
        endpoints=tuple(endpoints),
        tls=tls_matches(zip(servers, endpoints, strict=True)),
        older=inbound_policies(state.legacy, dict(servers[0].tags)),
    )


def mesh_external_destinations(
    state: MeshState,
    services: Iterable[RealService],
    servers: Mapping[str, MeshExternalService],
    zone: str,
    settings: Settings,
    *,
    system_ca: str,
    unified: bool,
) -> dict[str, ExternalDestination]:
    """The MeshExternalServices that can be reached from this zone, by their names in the old scheme.

    Args:
        state: the mesh.
        services: its real services.
        servers: what is behind its MeshExternalServices, by name.
        zone: name of this zone.
        settings: the control plane's.
        system_ca: where the egress finds the CAs of its system.
        unified: whether they are named by their identifiers.
    """
    around = Surroundings(state.mesh, zone)
    found = {}
    for service in services:
        behind = servers.get(service.name)
        if service.kind != MESH_EXTERNAL_SERVICE or service.zone not in ("", zone) or not behind or not behind.servers:
            continue
        (port,) = service.ports
        tls = behind.tls_with(system_ca)
        name = service.kri(port.section) if unified else service.legacy_name(port.number)
        sni = sni_of_service(service, port.number, system_namespace=settings.system_namespace)
        found[service.legacy_name(port.number)] = ExternalDestination(
            *(name, name, name, name),
            snis=((sni, ()),),
            protocol=port.protocol,
            endpoints=tuple(_endpoint(host, number, service.labels, around) for host, number in behind.servers),
            tls=() if tls is None else (TlsMatch(behind.servers[0][0], (), tls),),
            real=service.kri(port.section),
        )
    return found


def _endpoint(address: str, port: int, tags: Mapping[str, str], around: Surroundings) -> Endpoint:
    return located(address, port, 1, {**tags, MESH: around.mesh.name}, around)
