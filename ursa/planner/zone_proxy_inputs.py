"""From a ZoneIngress or ZoneEgress and the indexes of the planner to the inputs of its plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from ursa.ir import origins
from ursa.ir.plan import Reach
from ursa.model.real_service import MESH_EXTERNAL_SERVICE, MESH_MULTI_ZONE_SERVICE, RealService
from ursa.model.resource import Resource
from ursa.model.zone_proxy import AvailableService, ZoneEgress
from ursa.planner.chains import by_mesh, local_destinations, real_destinations, remote_destinations
from ursa.planner.egress import RealServers, Selected, external_destination, mesh_external_destination
from ursa.planner.external import ExternalIndex
from ursa.planner.inputs import (
    FEATURE_UNIFIED_NAMING,
    ExternalDestination,
    Leaving,
    MeshShare,
    PassedDestination,
    Passing,
    ProxyFacts,
    Settings,
    ZoneProxyInputs,
)
from ursa.planner.memo import Memo
from ursa.planner.meshes import MeshState
from ursa.planner.names import OLD, UNIFIED, Scheme
from ursa.planner.parsed import Parsed
from ursa.planner.real_services import RealServiceIndex
from ursa.planner.requested import Requested, requested_in
from ursa.planner.resolved import ReadFile, Resolved
from ursa.planner.services import ServiceIndex
from ursa.policies.core.matching import match_policies
from ursa.policies.core.policy import Policy
from ursa.policies.core.subject import Subject, external_service_subject
from ursa.policies.core.target_ref import DATAPLANE, MESH
from ursa.policies.plugin import PolicyPlugin
from ursa.topology.external_services import ExternalService
from ursa.topology.mesh_external_services import parse_mesh_external_service
from ursa.view.view import Touched, View

Meshes = Mapping[str, MeshState]

D = TypeVar("D", PassedDestination, ExternalDestination)

_NamedService = tuple[RealService, bool]
"""A service, and whether it is named by its identifier."""

REMEMBERED = 65_536
"""Real services whose destinations are remembered; one that was dropped is looked at again, nothing worse."""


class ZoneProxyIndex:
    """What the zone proxies of one zone lead to."""

    def __init__(
        self,
        zone: str,
        settings: Settings,
        plugins: Sequence[PolicyPlugin],
        read_file: ReadFile,
        *,
        services: ServiceIndex,
        real: RealServiceIndex,
        external: ExternalIndex,
    ) -> None:
        """Args:
        zone: name of the zone.
        settings: the control plane's.
        plugins: the effects of policies, in order.
        read_file: reads a certificate next to the control plane.
        services: tag services.
        real: real services.
        external: ExternalServices.
        """
        self._zone, self._settings, self._plugins = zone, settings, plugins
        self._services, self._real, self._external = services, real, external
        self._mesh_external = Resolved(MESH_EXTERNAL_SERVICE, parse_mesh_external_service, read_file)
        self._subject = Parsed(external_service_subject)
        self._view = View()
        self._requested: dict[str, tuple[MeshState, Requested]] = {}
        self._ports: Memo[_NamedService, tuple[PassedDestination, ...]] = Memo(self._of_ports, size=REMEMBERED)
        self._servers: Memo[RealServers, ExternalDestination] = Memo(mesh_external_destination, size=REMEMBERED)

    def update(self, view: View, touched: Touched) -> bool:
        """Takes over a step of the view; returns whether servers behind MeshExternalServices changed."""
        self._view = view
        self._subject.forget(touched)
        for change in touched.of("Mesh"):
            if change.after is None:
                self._requested.pop(change.key.name, None)
        return bool(self._mesh_external.update(view, touched))

    def inputs(self, resource: Resource, facts: ProxyFacts, meshes: Meshes) -> ZoneProxyInputs:
        """Inputs of the plan of a ZoneIngress or ZoneEgress."""
        if resource.kind == "ZoneIngress":
            return self._ingress(resource, facts, meshes)
        return self._egress(resource, facts, meshes)

    def _ingress(self, resource: Resource, facts: ProxyFacts, meshes: Meshes) -> ZoneProxyInputs:
        ingress, scheme = self._services.ingress(resource), _scheme(facts)
        shares = self._ingress_shares(ingress.available, meshes, scheme)
        return ZoneProxyInputs(
            facts,
            ingress.address,
            ingress.port,
            self._zone,
            resource.name,
            origins.INGRESS,
            scheme.ingress_listener(ingress.address, ingress.port),
            scheme,
            tuple(share for share in shares if share.destinations),
        )

    def _egress(self, resource: Resource, facts: ProxyFacts, meshes: Meshes) -> ZoneProxyInputs:
        egress, scheme = self._services.egress(resource), _scheme(facts)
        shares = self._egress_shares(egress, facts, meshes, scheme)
        return ZoneProxyInputs(
            facts,
            egress.address,
            egress.port,
            self._zone,
            resource.name,
            origins.EGRESS,
            scheme.egress_listener(egress.address, egress.port),
            scheme,
            tuple(share for share in shares if share.destinations),
        )

    def _of_ports(self, key: _NamedService) -> tuple[PassedDestination, ...]:
        service, unified = key
        return real_destinations(service, unified=unified, system_namespace=self._settings.system_namespace)

    def _ingress_shares(
        self, available: Iterable[AvailableService], meshes: Meshes, scheme: Scheme
    ) -> Iterator[MeshShare]:
        offered = by_mesh(available)
        for mesh, state in sorted(meshes.items()):
            found = (
                *local_destinations(self._requested_in(state), offered.get(mesh, ()), partial(self._services.of, mesh)),
                *self._instances_here(mesh, scheme),
            )
            yield MeshShare(Passing(mesh, origins.INGRESS, Reach.LOCAL), tuple(_distinct(found)))

    def _instances_here(self, mesh: str, scheme: Scheme) -> Iterator[PassedDestination]:
        """Real services with instances in this zone, in order of the old scheme's names."""
        named = {
            service.legacy_name(port.number): destination
            for service in self._real.services(mesh)
            if service.kind == MESH_MULTI_ZONE_SERVICE or self._real.is_local(service)
            for port, destination in zip(service.ports, self._ports((service, scheme.unified)), strict=True)
        }
        return (destination for _, destination in sorted(named.items()))

    def _egress_shares(
        self, egress: ZoneEgress, facts: ProxyFacts, meshes: Meshes, scheme: Scheme
    ) -> Iterator[MeshShare]:
        offered = by_mesh(self._offered_by_others())
        for mesh, state in sorted(meshes.items()):
            if not state.mesh.mtls:
                continue
            external = self._leaving(state, facts, unified=scheme.unified)
            passed = [s for s in offered.get(mesh, ()) if state.mesh.zone_egress and s.service not in external]
            policies = self._for_all_clients(state, PolicyPlugin.passed_on) if passed else ()
            passing = Passing(mesh, origins.EGRESS, Reach.REMOTE, self._zone, policies)
            yield MeshShare(passing, tuple(remote_destinations(self._requested_in(state), passed)))
            leaving = Leaving(
                mesh,
                state.mesh.forbids_external,
                self._settings,
                scheme,
                scheme.egress_listener(egress.address, egress.port),
                self._zone,
                facts.ipv6,
                ":" in egress.address,
                self._for_all_clients(state, PolicyPlugin.mesh_external),
            )
            yield MeshShare(leaving, tuple(_distinct(one for _, one in sorted(external.items()))))

    def _leaving(self, state: MeshState, facts: ProxyFacts, *, unified: bool) -> dict[str, ExternalDestination]:
        """What is outside of the mesh and can be reached from this zone, by service."""
        mesh = state.mesh.name
        found: dict[str, ExternalDestination] = {}
        for service, servers in self._external.of(mesh).items():
            near = [server for server in servers if server.zone in ("", self._zone)]
            if near:
                policies = tuple(self._selecting(state, server) for server in near)
                requested = self._requested_in(state)
                found[service] = external_destination(state, near, policies, requested, unified=unified)
        behind = {one.name: one for one in self._mesh_external.of(mesh) if one.servers}
        for real in self._real.services(mesh):
            if real.kind == MESH_EXTERNAL_SERVICE and real.zone in ("", self._zone) and real.name in behind:
                servers_of = RealServers(
                    real, behind[real.name], facts.system_ca, self._settings.system_namespace, unified
                )
                found[real.legacy_name(real.ports[0].number)] = self._servers(servers_of)
        return found

    def _requested_in(self, state: MeshState) -> Requested:
        mesh = state.mesh.name
        known = self._requested.get(mesh)
        if known is None or known[0] is not state:
            known = self._requested[mesh] = (state, requested_in(state))
        return known[1]

    def _selecting(self, state: MeshState, server: ExternalService) -> Selected:
        """The policies that select an ExternalService, as those of this zone's egresses."""
        resource = self._view.get("ExternalService", state.mesh.name, server.name)
        if resource is None:
            return tuple(() for _ in self._plugins)
        subject = replace(self._subject(resource), zone=self._zone)

        def matched(kind: str) -> tuple[Policy, ...]:
            # A server is no Dataplane, not even where all of them are meant.
            policies = (policy for policy in state.policies[kind] if policy.target.kind != DATAPLANE)
            return match_policies(policies, subject).on_inbound(0)

        # What has no effect there is left out, so that a change of it leaves everything as it is.
        unused = PolicyPlugin.external
        return tuple(() if type(one).external is unused else matched(one.kind) for one in self._plugins)

    def _for_all_clients(self, state: MeshState, unused: Callable[..., None]) -> tuple[tuple[Policy, ...], ...]:
        """Per plugin, the policies for all clients: an egress does not tell one from the other.

        Args:
            state: the mesh.
            unused: the method that they are for; policies of plugins that leave it as it is are left out.
        """
        subject = Subject(state.mesh.name, "", frozenset(), self._zone)

        def matched(kind: str) -> tuple[Policy, ...]:
            policies = (policy for policy in state.policies[kind] if policy.target.kind == MESH)
            return match_policies(policies, subject).outbound

        used = (getattr(type(one), unused.__name__) is not unused for one in self._plugins)
        return tuple(matched(one.kind) if wanted else () for one, wanted in zip(self._plugins, used, strict=True))

    def _offered_by_others(self) -> Iterable[AvailableService]:
        ingresses = map(self._services.ingress, self._view.list("ZoneIngress"))
        return (service for one in ingresses if one.zone not in ("", self._zone) for service in one.available)


def _distinct(destinations: Iterable[D]) -> Iterator[D]:
    """Leaves out what an earlier one is asked for by: Envoy refuses a listener that leads two ways by one SNI."""
    taken: set[str] = set()
    for one in destinations:
        free = tuple(pair for pair in one.snis if pair[0] not in taken)
        taken.update(sni for sni, _ in free)
        if free:
            yield one if len(free) == len(one.snis) else replace(one, snis=free)


def _scheme(facts: ProxyFacts) -> Scheme:
    """How a zone proxy's resources are named: as it says, whatever services there are in the meshes."""
    return UNIFIED if facts.has(FEATURE_UNIFIED_NAMING) else OLD
