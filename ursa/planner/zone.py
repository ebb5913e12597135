"""The planner of one zone: takes steps of the view, tells what they concern, and plans proxies.

Nothing here waits or stores. The state it keeps is only memory of results, so a planner that starts afresh with the
newest view gives the same plans.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from ursa.ir import origins
from ursa.ir.cluster import LoadAssignment
from ursa.ir.modifications import Patches
from ursa.ir.plan import EdsReference, ProxyPlan, Reach
from ursa.model.dataplane import parse_dataplane
from ursa.model.kind import Registry
from ursa.model.real_service import RealService, is_real
from ursa.model.resource import Resource
from ursa.planner.admin import plan_admin
from ursa.planner.auto_reach import AutoReach
from ursa.planner.cross_mesh import CrossMeshIndex
from ursa.planner.direct_access import plan_direct_access
from ursa.planner.dns import dns_table, plan_dns
from ursa.planner.external import ExternalIndex
from ursa.planner.external_outbounds import ExternalOutbounds
from ursa.planner.gateway_forms import GatewayIndex
from ursa.planner.gateway_inputs import (
    GatewayInputs,
    GatewayRoutes,
    edge_routes,
    gateway_inputs,
    older_routes,
    older_services,
)
from ursa.planner.gateways import plan_gateway
from ursa.planner.inbounds import plan_inbounds, trace_inbounds
from ursa.planner.inputs import (
    AdminInputs,
    Destination,
    InboundInputs,
    MeshRoutes,
    OutboundInputs,
    OutboundSpec,
    ProxyFacts,
    Settings,
    ShareContext,
    TagService,
    ZoneProxyInputs,
)
from ursa.planner.logbooks import log_beside_outbounds, logbook, speaker_of
from ursa.planner.memo import Memo
from ursa.planner.mesh_metrics import plan_mesh_metrics
from ursa.planner.mesh_routes import RouteRules, leads_to
from ursa.planner.meshes import MeshIndex, MeshState
from ursa.planner.monitoring import Shown, shown
from ursa.planner.outbounds import plan_outbounds
from ursa.planner.parsed import Parsed
from ursa.planner.patches import PatchIndex
from ursa.planner.prometheus import plan_prometheus
from ursa.planner.readiness import TlsReadiness
from ursa.planner.real_outbounds import VipOutbounds
from ursa.planner.real_services import RealServiceIndex
from ursa.planner.resolved import ReadFile, no_file
from ursa.planner.services import ServiceIndex
from ursa.planner.sidecars import (
    Destinations,
    Wanted,
    explicit_wanted,
    inbound_inputs,
    outbound_inputs,
    plain_outbounds,
)
from ursa.planner.transparent import plan_passthrough
from ursa.planner.zone_proxies import Way, plan_way, plan_zone_proxy
from ursa.planner.zone_proxy_inputs import ZoneProxyIndex
from ursa.policies.core.matching import Matched, destination_rules, match_policies
from ursa.policies.core.policy import Policy
from ursa.policies.core.real_rules import compile_real
from ursa.policies.core.subject import Subject, dataplane_subject
from ursa.policies.core.target_ref import MESH_HTTP_ROUTE
from ursa.policies.mesh_metric.effect import KIND as MESH_METRIC
from ursa.policies.mesh_proxy_patch.effect import KIND as MESH_PROXY_PATCH
from ursa.policies.mesh_tls.effect import restrict_clients
from ursa.policies.plugin import DestinationRules, PolicyPlugin
from ursa.topology.endpoints import ServiceEndpoints
from ursa.topology.localities import arranged
from ursa.view.view import Touched, View

ROUTE_KINDS = (MESH_HTTP_ROUTE, "MeshTCPRoute")

RuleKey: TypeAlias = tuple[tuple[Policy, ...], tuple[Policy, ...]]
"""Policies of one kind, and the MeshHTTPRoutes that some of them are attached to."""

RouteKey: TypeAlias = tuple[tuple[Policy, ...], tuple[RealService, ...]]
"""Routes, and what they may lead to."""

PlainKey: TypeAlias = tuple[int, str, Wanted]
"""How many steps of the view were taken, which stands for what is known of services; mesh and outbounds."""

SORTS = 256
"""Lists of outbounds remembered, which most proxies of a workload have in common."""

RULE_SETS = 1024
"""Compiled rule sets remembered; one that was dropped is compiled again, nothing worse."""


@dataclass(slots=True)
class Concerned:
    """What a step concerns.

    Attributes:
        meshes: all proxies in them may have other plans.
        endpoints: services, and ports of real services, (mesh, name), whose endpoints changed.
        zone_proxies: whether plans of ingresses and egresses may have changed.
    """

    meshes: set[str] = field(default_factory=set)
    endpoints: set[tuple[str, str]] = field(default_factory=set)
    zone_proxies: bool = False


class ZonePlanner:
    """Plans the proxies of one zone."""

    def __init__(
        self,
        zone: str,
        registry: Registry,
        plugins: Sequence[PolicyPlugin],
        settings: Settings,
        *,
        read_file: ReadFile = no_file,
        check: bool = False,
    ) -> None:
        """Args:
        zone: name of the zone.
        registry: all kinds.
        plugins: the effects of policies, in order.
        settings: the control plane's.
        read_file: reads a certificate next to the control plane.
        check: compute everything remembered twice and compare, for tests.
        """
        self._zone, self._plugins, self._settings = zone, plugins, settings
        kinds = (*(plugin.kind for plugin in plugins), *ROUTE_KINDS, MESH_PROXY_PATCH)
        self._meshes = MeshIndex(registry, kinds, settings)
        self._patches = PatchIndex()
        self._external = ExternalIndex(read_file)
        self._outside = ExternalOutbounds(zone, self._external)
        self._services = ServiceIndex(zone, self._external.of)
        self._real = RealServiceIndex(zone, self._services)
        self._zone_proxies = ZoneProxyIndex(
            zone,
            settings,
            plugins,
            read_file,
            services=self._services,
            real=self._real,
            external=self._external,
        )
        self._kinds = [plugin.kind for plugin in plugins]
        self._gateways = GatewayIndex(read_file)
        self._entrances = CrossMeshIndex(self._gateways)
        self._vips, self._reach = VipOutbounds(), AutoReach()
        self._subject = Parsed(dataplane_subject)
        self._readiness = TlsReadiness()
        self._rules: Memo[RuleKey, DestinationRules] = Memo(_destination_rules, size=RULE_SETS, check=check)
        self._same: Memo[Wanted, Wanted] = Memo(lambda wanted: wanted, size=SORTS)
        self._explicit = Parsed(lambda resource: self._same(explicit_wanted(parse_dataplane(resource))))
        self._steps = 0
        self._plain: Memo[PlainKey, tuple[OutboundSpec, ...]] = Memo(self._plain_outbounds, size=SORTS, check=check)
        self._leads_to: Memo[RouteKey, tuple[set[RealService], set[str]]] = Memo(
            lambda key: leads_to(*key), size=RULE_SETS, check=check
        )

    def observe(self, view: View, touched: Touched) -> Concerned:
        """Takes over the newest view and says what changed for whom."""
        self._steps += 1
        self._subject.forget(touched)
        self._explicit.forget(touched)
        meshes = self._meshes.update(view, touched)
        all_meshes = [state.mesh for state in self._meshes.all.values()]
        external = self._external.update(view, touched)
        changes = self._services.update(view, touched, all_meshes, external)
        real = self._real.update(view, touched, all_meshes)
        ready = self._readiness.update(view, touched, self._meshes.all)
        gateways = self._gateways.update(view, touched)
        entrances = self._entrances.update(view, touched, gateways)
        servers = self._zone_proxies.update(view, touched)
        zone_proxies = bool(
            meshes or real.meshes or external or servers or touched.kinds & {"ZoneIngress", "ZoneEgress"}
        )
        concerned = meshes | changes.meshes | real.meshes | ready | gateways | {mesh for mesh, _ in external}
        return Concerned(concerned, changes.endpoints | real.endpoints | entrances, zone_proxies)

    @property
    def meshes(self) -> Collection[str]:
        """Names of all meshes."""
        return self._meshes.all.keys()

    def mesh(self, name: str) -> MeshState | None:
        """A mesh, None when it does not exist."""
        return self._meshes.all.get(name)

    def sidecar_inputs(
        self, resource: Resource, facts: ProxyFacts, *, shadow: bool = False
    ) -> tuple[InboundInputs, OutboundInputs] | None:
        """Inputs of both halves of a sidecar's plan, None without its mesh; shadow policies count when asked for."""
        state = self._meshes.all.get(resource.mesh)
        if state is None:
            return None
        dataplane, subject = parse_dataplane(resource), self._seen(resource)
        matched = self._match(state, subject, self._kinds, shadow=shadow)
        own = inbound_inputs(state, dataplane, facts, self._settings, matched)
        http, tcp = self._match(state, subject, ROUTE_KINDS, shadow=shadow)
        known = self._destinations(state, resource, http.outbound, tcp.outbound)
        outbound = outbound_inputs(state, dataplane, facts, self._settings, matched, known)
        if own.metrics is not None and (table := dns_table(outbound)):
            # The launcher asks one listener for everything; what is the proxy's own must stay out of the shared half.
            return replace(own, dns_table=table), replace(outbound, dns=None)
        return own, outbound

    def gateway_inputs(
        self, resource: Resource, facts: ProxyFacts, *, shadow: bool = False
    ) -> tuple[InboundInputs, GatewayInputs] | None:
        """The same for a builtin gateway, whose other half are the listeners of the MeshGateway that selects it."""
        state = self._meshes.all.get(resource.mesh)
        if state is None:
            return None
        dataplane = parse_dataplane(resource)
        tags = dataplane.tag_sets[0]
        form = self._gateways.of(resource.mesh, tags)
        subject = self._seen(resource)
        matched = self._match(state, subject, self._kinds, shadow=shadow)
        own = inbound_inputs(state, dataplane, facts, self._settings, matched)
        http, tcp = map(edge_routes, self._match(state, subject, ROUTE_KINDS, shadow=shadow))
        older = older_routes(state, form, tags)
        known = self._destinations(state, resource, http.outbound, tcp.outbound, older_services(older))
        routes = GatewayRoutes(form, http, tcp, older)
        return own, gateway_inputs(state, dataplane, facts, self._settings, matched, known, routes)

    def patches(self, resource: Resource, *, shadow: bool = False) -> Patches | None:
        """What is changed by hand in a Dataplane's configuration, None when nothing is.

        Raises:
            InvalidResource: what a policy says cannot be read; it names the policy.
        """
        state = self._meshes.all.get(resource.mesh)
        if state is None:
            return None
        (matched,) = self._match(state, self._seen(resource), (MESH_PROXY_PATCH,), shadow=shadow)
        return self._patches.of(state, parse_dataplane(resource).tag_sets, matched.policies)

    def shown_metrics(self, resource: Resource) -> tuple[Shown, ...]:
        """Where the metrics of a Dataplane are read."""
        state = self._meshes.all.get(resource.mesh)
        if state is None:
            return ()
        subject = self._seen(resource)
        (matched,) = self._match(state, subject, (MESH_METRIC,), shadow=False)
        gateways = {listener.gateway for listener in subject.listeners}
        return shown(state, parse_dataplane(resource), matched.policies, gateways)

    def _destinations(
        self,
        state: MeshState,
        resource: Resource,
        http: tuple[Policy, ...],
        tcp: tuple[Policy, ...],
        also: Iterable[str] = (),
    ) -> Destinations:
        """What is known of destinations for a Dataplane that these routes select; `also` names tag services."""
        mesh, real, dataplane = resource.mesh, self._real.services(resource.mesh), parse_dataplane(resource)
        led_to, tags = self._leads_to(((*http, *tcp), real)) if http or tcp else (set(), set())
        routes = MeshRoutes(
            http,
            tcp,
            tuple(service for service in real if service in led_to),
            tuple(
                TagService(name, self._services.of(mesh, name).protocol, self._readiness.ready(mesh, name))
                for name in sorted(tags.union(also))
            ),
        )
        return Destinations(
            zone=self._zone,
            services=lambda service: self._endpoints(mesh, service),
            tls_ready=lambda service: self._readiness.ready(mesh, service),
            external=self._outside.of(state, dataplane),
            real=real,
            vips=self._vips,
            egress=self._real.has_egress,
            routes=routes,
            explicit=self._explicit(resource),
            plain=lambda wanted: self._plain((self._steps, mesh, wanted)),
            reach=self._reach.of(state, dataplane) if self._settings.auto_reachable else None,
        )

    def _plain_outbounds(self, key: PlainKey) -> tuple[OutboundSpec, ...]:
        _, mesh, wanted = key
        return plain_outbounds(
            wanted, lambda service: self._endpoints(mesh, service), lambda service: self._readiness.ready(mesh, service)
        )

    def plan_own(self, inputs: InboundInputs, admin: AdminInputs) -> ProxyPlan:
        """The own half of a sidecar."""
        plan = ProxyPlan(unified=inputs.scheme.unified)
        plan_admin(plan, admin)
        plan_prometheus(plan, inputs)
        plan_mesh_metrics(plan, inputs)
        plan_passthrough(plan, inputs)
        book = logbook(speaker_of(inputs.dataplane, inputs.mesh.name, inputs.facts))
        plan_inbounds(plan, inputs, self._plugins, book)
        log_beside_outbounds(plan, origins.TRANSPARENT, inputs.pass_through, inputs.mesh, book)
        trace_inbounds(plan, inputs)
        return plan

    def plan_outbound(self, inputs: OutboundInputs) -> ProxyPlan:
        """The outbound half of a class of sidecars; worth remembering."""
        plan = ProxyPlan(unified=inputs.scheme.unified)
        routes = inputs.routes
        rules = [self._rules((policies, routes.http if _attached(policies) else ())) for policies in inputs.policies]
        route_rules = RouteRules(self._rules((routes.http, ())), self._rules((routes.tcp, ())))
        book = None if inputs.speaker is None else logbook(inputs.speaker, inputs.collectors)
        plan_outbounds(plan, inputs, self._plugins, rules, route_rules, book)
        plan_direct_access(plan, inputs)
        if book is not None:
            log_beside_outbounds(plan, origins.DIRECT_ACCESS, inputs.pass_through, inputs.mesh, book)
        restrict_clients(plan.clusters.values(), inputs.tls_params)
        plan_dns(plan, inputs)
        return plan

    def plan_gateway(self, inputs: GatewayInputs) -> ProxyPlan:
        """The listeners, routes and clusters of a builtin gateway; worth remembering."""
        routes = inputs.reach.routes.http

        def rules_of(policies: tuple[Policy, ...]) -> DestinationRules:
            return self._rules((policies, routes if _attached(policies) else ()))

        return plan_gateway(inputs, self._plugins, rules_of)

    def zone_proxy_inputs(self, resource: Resource, facts: ProxyFacts) -> ZoneProxyInputs:
        """Inputs of a ZoneIngress' or ZoneEgress' plan."""
        return self._zone_proxies.inputs(resource, facts, self._meshes.all)

    def plan_way(self, context: ShareContext, destination: Destination) -> Way:
        """How zone proxies lead to one destination of a mesh; worth remembering."""
        return plan_way(context, destination, self._plugins)

    def plan_zone_proxy(self, inputs: ZoneProxyInputs, admin: AdminInputs) -> ProxyPlan:
        """The plan of an ingress or egress, without the ways to its destinations."""
        plan = ProxyPlan(unified=inputs.scheme.unified)
        plan_admin(plan, admin)
        plan_zone_proxy(plan, inputs)
        return plan

    def assignment(self, cluster: str, reference: EdsReference) -> LoadAssignment:
        """The endpoints of an EDS cluster."""
        localities = reference.localities
        find = self._entrances.of if reference.reach is Reach.ENTRANCES else self._endpoints
        service = find(reference.mesh, reference.service)
        endpoints = service.within(reference.reach, reference.tags)
        if localities is None:
            return LoadAssignment(cluster, endpoints)
        return LoadAssignment(cluster, arranged(endpoints, localities), localities.overprovisioning)

    def _endpoints(self, mesh: str, service: str) -> ServiceEndpoints:
        """The endpoints of a tag service, or of a port of a real one by its `RealService.endpoints`."""
        index = self._real if is_real(service) else self._services
        return index.of(mesh, service)

    def _seen(self, resource: Resource) -> Subject:
        """A Dataplane as policies see it."""
        dataplane = parse_dataplane(resource)
        if not dataplane.builtin_gateway:
            return self._subject(resource)
        (tags,) = dataplane.tag_sets
        form = self._gateways.of(resource.mesh, tags)
        return dataplane_subject(resource, () if form is None else form.subjects(tags))

    def _match(self, state: MeshState, subject: Subject, kinds: Iterable[str], *, shadow: bool) -> list[Matched]:
        routes = state.policies[MESH_HTTP_ROUTE]
        return [match_policies(state.policies[kind], subject, routes, shadow=shadow) for kind in kinds]


def _destination_rules(key: RuleKey) -> DestinationRules:
    policies, routes = key
    return DestinationRules(destination_rules(policies, routes), compile_real(policies))


def _attached(policies: Iterable[Policy]) -> bool:
    """Whether one of the policies is attached to MeshHTTPRoutes."""
    return any(policy.target.kind == MESH_HTTP_ROUTE for policy in policies)
