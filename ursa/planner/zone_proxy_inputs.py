"""From a ZoneIngress or ZoneEgress and the indexes of the planner to the inputs of its plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from ursa.ir import origins
from ursa.ir.plan import Reach
from ursa.model.real_service import MESH_EXTERNAL_SERVICE, MESH_SERVICE
from ursa.model.resource import Resource
from ursa.model.zone_proxy import AvailableService, ZoneEgress
from ursa.planner import names
from ursa.planner.chains import by_mesh, ingress_share, remote_destinations
from ursa.planner.egress import Selected, external_destinations, mesh_external_destinations
from ursa.planner.external import ExternalIndex
from ursa.planner.inputs import (
    FEATURE_UNIFIED_NAMING,
    ExternalDestination,
    MeshShare,
    ProxyFacts,
    Settings,
    ZoneProxyInputs,
)
from ursa.planner.meshes import MeshState
from ursa.planner.parsed import Parsed
from ursa.planner.real_services import RealServiceIndex
from ursa.planner.resolved import ReadFile, Resolved
from ursa.planner.services import ServiceIndex
from ursa.policies.core.matching import match_policies
from ursa.policies.core.policy import Policy
from ursa.policies.core.subject import Subject, external_service_subject
from ursa.policies.core.target_ref import DATAPLANE, MESH
from ursa.topology.external_services import ExternalService
from ursa.topology.mesh_external_services import parse_mesh_external_service
from ursa.view.view import Touched, View

Meshes = Mapping[str, MeshState]


class ZoneProxyIndex:
    """What the zone proxies of one zone lead to."""

    def __init__(
        self,
        zone: str,
        settings: Settings,
        kinds: Sequence[str],
        read_file: ReadFile,
        *,
        services: ServiceIndex,
        real: RealServiceIndex,
        external: ExternalIndex,
    ) -> None:
        """Args:
        zone: name of the zone.
        settings: the control plane's.
        kinds: of policies with an effect, in the order of the plugins.
        read_file: reads a certificate next to the control plane.
        services: tag services.
        real: real services.
        external: ExternalServices.
        """
        self._zone, self._settings, self._kinds = zone, settings, kinds
        self._services, self._real, self._external = services, real, external
        self._mesh_external = Resolved(MESH_EXTERNAL_SERVICE, parse_mesh_external_service, read_file)
        self._subject = Parsed(external_service_subject)
        self._view = View()

    def update(self, view: View, touched: Touched) -> bool:
        """Takes over a step of the view; returns whether servers behind MeshExternalServices changed."""
        self._view = view
        self._subject.forget(touched)
        return bool(self._mesh_external.update(view, touched))

    def inputs(self, resource: Resource, facts: ProxyFacts, meshes: Meshes) -> ZoneProxyInputs:
        """Inputs of the plan of a ZoneIngress or ZoneEgress."""
        if resource.kind == "ZoneIngress":
            return self._ingress(resource, facts, meshes)
        return self._egress(resource, facts, meshes)

    def _ingress(self, resource: Resource, facts: ProxyFacts, meshes: Meshes) -> ZoneProxyInputs:
        ingress, unified = self._services.ingress(resource), facts.has(FEATURE_UNIFIED_NAMING)
        shares = self._ingress_shares(ingress.available, meshes, unified=unified)
        return ZoneProxyInputs(
            facts,
            ingress.address,
            ingress.port,
            self._zone,
            resource.name,
            origins.INGRESS,
            names.ingress_listener(ingress.address, ingress.port, unified=unified),
            unified,
            tuple(share for share in shares if share is not None),
        )

    def _egress(self, resource: Resource, facts: ProxyFacts, meshes: Meshes) -> ZoneProxyInputs:
        egress, unified = self._services.egress(resource), facts.has(FEATURE_UNIFIED_NAMING)
        listener = names.egress_listener(egress.address, egress.port, unified=unified)
        shares = self._egress_shares(egress, listener, facts, meshes, unified=unified)
        return ZoneProxyInputs(
            facts,
            egress.address,
            egress.port,
            self._zone,
            resource.name,
            origins.EGRESS,
            listener,
            unified,
            tuple(share for share in shares if share is not None),
        )

    def _ingress_shares(
        self, available: Iterable[AvailableService], meshes: Meshes, *, unified: bool
    ) -> Iterable[MeshShare | None]:
        offered = by_mesh(available)
        for mesh, state in sorted(meshes.items()):
            real = [s for s in self._real.services(mesh) if s.kind != MESH_SERVICE or self._real.is_local(s)]
            yield ingress_share(
                state,
                self._settings,
                offered.get(mesh, ()),
                real,
                partial(self._services.of, mesh),
                unified=unified,
            )

    def _egress_shares(
        self, egress: ZoneEgress, listener: str, facts: ProxyFacts, meshes: Meshes, *, unified: bool
    ) -> Iterable[MeshShare | None]:
        offered = by_mesh(self._offered_by_others())
        for mesh, state in sorted(meshes.items()):
            if not state.mesh.mtls:
                continue
            external = self._leaving(state, facts, unified=unified)
            passed = [s for s in offered.get(mesh, ()) if state.mesh.zone_egress and s.service not in external]
            share = MeshShare(
                self._settings,
                state.mesh,
                origins.EGRESS,
                Reach.REMOTE,
                remote_destinations(state, passed),
                tuple(external[name] for name in sorted(external)),
            )
            if external:
                share = replace(
                    share,
                    listener=listener,
                    ipv6=facts.ipv6,
                    resolve_ipv6=":" in egress.address,
                    policies=self._for_all_destinations(state),
                )
            yield share if share.destinations or external else None

    def _leaving(self, state: MeshState, facts: ProxyFacts, *, unified: bool) -> dict[str, ExternalDestination]:
        """What is outside of the mesh and can be reached from this zone, by service."""
        mesh = state.mesh.name

        def select(server: ExternalService) -> Selected:
            return self._selecting(state, server)

        found = external_destinations(state, self._external.of(mesh), self._zone, select, unified=unified)
        servers = {one.name: one for one in self._mesh_external.of(mesh)}
        return found | mesh_external_destinations(
            state,
            self._real.services(mesh),
            servers,
            self._zone,
            self._settings,
            system_ca=facts.system_ca,
            unified=unified,
        )

    def _selecting(self, state: MeshState, server: ExternalService) -> Selected:
        """The policies that select an ExternalService, as those of this zone's egresses."""
        resource = self._view.get("ExternalService", state.mesh.name, server.name)
        if resource is None:
            return tuple(() for _ in self._kinds)
        subject = replace(self._subject(resource), zone=self._zone)
        # A server is no Dataplane, not even where all of them are meant.
        matched = (
            match_policies((p for p in state.policies[kind] if p.target.kind != DATAPLANE), subject)
            for kind in self._kinds
        )
        return tuple(policies.on_inbound(0) for policies in matched)

    def _for_all_destinations(self, state: MeshState) -> tuple[tuple[Policy, ...], ...]:
        """Per kind, the policies for all clients: an egress does not tell one from the other."""
        subject = Subject(state.mesh.name, "", frozenset(), self._zone)
        matched = (
            match_policies((p for p in state.policies[kind] if p.target.kind == MESH), subject) for kind in self._kinds
        )
        return tuple(policies.outbound for policies in matched)

    def _offered_by_others(self) -> Iterable[AvailableService]:
        ingresses = map(self._services.ingress, self._view.list("ZoneIngress"))
        return (service for one in ingresses if one.zone not in ("", self._zone) for service in one.available)
