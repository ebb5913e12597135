"""From a Dataplane, its Envoy and its mesh to the inputs of both halves of its plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from ursa.model.dataplane import Dataplane
from ursa.model.labels import MESH_TAG
from ursa.model.real_service import RealService
from ursa.planner.auto_reach import Reach
from ursa.planner.inputs import (
    FEATURE_BIND_OUTBOUNDS,
    FEATURE_EMBEDDED_DNS,
    FEATURE_UNIFIED_NAMING,
    NO_PASS_THROUGH,
    DnsInputs,
    ExternalOutbound,
    InboundInputs,
    MeshRoutes,
    OutboundInputs,
    OutboundSpec,
    Pairs,
    ProxyFacts,
    RealOutbound,
    Redirection,
    Settings,
)
from ursa.planner.logbooks import known_collectors, pass_through, speaker_of
from ursa.planner.meshes import MeshState
from ursa.planner.names import OLD, UNIFIED, Scheme
from ursa.planner.real_outbounds import VipOutbounds, explicit_outbounds
from ursa.policies.core.matching import Matched
from ursa.policies.core.place import Place
from ursa.policies.core.policy import Policy
from ursa.policies.core.tracers import Tracer
from ursa.policies.legacy.inbounds import inbound_policies
from ursa.policies.legacy.outbounds import outbound_policies
from ursa.policies.legacy.traffic_route import KIND as TRAFFIC_ROUTE
from ursa.policies.legacy.traffic_trace import traffic_tracer
from ursa.policies.mesh_access_log.effect import KIND as MESH_ACCESS_LOG
from ursa.policies.mesh_health_check.effect import KIND as HEALTH_CHECK
from ursa.policies.mesh_load_balancing_strategy.effect import KIND as LOAD_BALANCING
from ursa.policies.mesh_load_balancing_strategy.effect import asked_tags
from ursa.policies.mesh_metric.effect import KIND as MESH_METRIC
from ursa.policies.mesh_metric.effect import metrics_conf
from ursa.policies.mesh_passthrough.effect import KIND as MESH_PASSTHROUGH
from ursa.policies.mesh_tls.effect import KIND as MESH_TLS
from ursa.policies.mesh_tls.effect import tls_params
from ursa.policies.mesh_trace.effect import KIND as MESH_TRACE
from ursa.policies.mesh_trace.effect import Decision as TraceDecision
from ursa.policies.mesh_trace.effect import decide
from ursa.topology.endpoints import ServiceEndpoints
from ursa.topology.protocols import HTTP, HTTP_LIKE

Services = Callable[[str], ServiceEndpoints]
TlsReady = Callable[[str], bool]

WantedOutbound: TypeAlias = tuple[str, int, str, Pairs, tuple[str, ...]]
"""Address, port, service, tags and host names of an outbound."""

Wanted: TypeAlias = tuple[WantedOutbound, ...]


@dataclass(frozen=True, slots=True)
class Destinations:
    """What is known of the destinations in a mesh.

    Attributes:
        zone: from where they are seen.
        services: endpoints by service, of a port of a real one by its `RealService.endpoints`.
        tls_ready: whether a service's instances accept mesh TLS.
        external: the services outside of the mesh that the proxy may use.
        real: the real services.
        vips: finds the outbounds at their virtual addresses.
        egress: whether the zone has an egress.
        routes: those that select the proxy.
        explicit: the outbounds to tag services that its Dataplane names; equal ones are the same object.
        plain: outbounds as they are without policies between sources and destinations; equal ones are the same object.
        reach: what permissions may let it in to, None where that does not count.
    """

    zone: str
    services: Services
    tls_ready: TlsReady
    external: tuple[ExternalOutbound, ...]
    real: tuple[RealService, ...]
    vips: VipOutbounds
    egress: bool
    routes: MeshRoutes
    explicit: Wanted
    plain: Callable[[Wanted], tuple[OutboundSpec, ...]]
    reach: Reach | None = None


def redirection_of(dataplane: Dataplane, facts: ProxyFacts) -> Redirection | None:
    """Transparent proxying of a proxy: what it says itself, else what its Dataplane says."""
    if facts.redirection is not None:
        return facts.redirection
    transparent = dataplane.transparent
    if transparent is None or not (transparent.redirect_port_inbound or transparent.redirect_port_outbound):
        return None
    return Redirection(
        transparent.redirect_port_inbound,
        transparent.redirect_port_outbound,
        dns=facts.dns_port != 0,
        ipv6=transparent.ip_family_mode != "IPv4",
    )


def scheme_of(state: MeshState, facts: ProxyFacts) -> Scheme:
    """How a sidecar's resources are named: where there are tag services, always as of old."""
    return UNIFIED if facts.has(FEATURE_UNIFIED_NAMING) and state.mesh.exclusive else OLD


def inbound_inputs(
    state: MeshState, dataplane: Dataplane, facts: ProxyFacts, settings: Settings, matched: Sequence[Matched]
) -> InboundInputs:
    """Inputs of the own half; `matched` holds the policies that select the proxy, per plugin."""
    positions = range(len(dataplane.inbounds))
    redirection = redirection_of(dataplane, facts)
    older, decision = _tracers(state, dataplane, matched)
    newer = None if decision is None else decision.tracer
    return InboundInputs(
        settings=settings,
        mesh=state.mesh,
        dataplane=dataplane,
        facts=facts,
        redirection=redirection,
        policies=tuple(tuple(_for_inbound(kind, position) for position in positions) for kind in matched),
        legacy=tuple(inbound_policies(state.legacy, inbound.tags) for inbound in dataplane.inbounds),
        scheme=scheme_of(state, facts),
        pass_through=NO_PASS_THROUGH if redirection is None else pass_through(matched, state.legacy, dataplane),
        metrics=metrics_conf(_selecting(matched, MESH_METRIC)),
        passthrough=tuple(_selecting(matched, MESH_PASSTHROUGH)),
        tracer=older if decision is None else newer,
        span_collectors=tuple(tracer.collector for tracer in (older, newer) if tracer is not None),
    )


def tracer_of(state: MeshState, dataplane: Dataplane, matched: Sequence[Matched]) -> Tracer | None:
    """How a gateway traces its requests."""
    older, decision = _tracers(state, dataplane, matched)
    return older if decision is None else decision.tracer


def _tracers(
    state: MeshState, dataplane: Dataplane, matched: Sequence[Matched]
) -> tuple[Tracer | None, TraceDecision | None]:
    """What TrafficTraces say, and what MeshTraces decide above them."""
    service = dataplane.identifying_service
    older = traffic_tracer(state.legacy, state.mesh, dataplane.tag_sets, service)
    return older, decide(_selecting(matched, MESH_TRACE), service)


def _for_inbound(matched: Matched, position: int) -> tuple[Policy, ...]:
    """Without policies that only speak about destinations, so that a change of those leaves the own half as it is."""
    return tuple(policy for policy in matched.on_inbound(position) if not policy.outbound_only)


def outbound_inputs(
    state: MeshState,
    dataplane: Dataplane,
    facts: ProxyFacts,
    settings: Settings,
    matched: Sequence[Matched],
    known: Destinations,
) -> OutboundInputs:
    """Inputs of the outbound half; `matched` holds the policies that select the proxy, per plugin."""
    redirection = redirection_of(dataplane, facts)
    by_vip = redirection is not None or facts.has(FEATURE_BIND_OUTBOUNDS)
    # One MeshHTTPRoute or MeshTCPRoute for a proxy, and TrafficRoutes do not count for it any more.
    routes = () if known.routes else state.legacy.get(TRAFFIC_ROUTE, ())
    wanted = tuple(_vip_specs(state, dataplane, known)) if by_vip else known.explicit
    named = {service for _, _, service, _, _ in wanted}
    outbounds = known.plain(wanted)
    if routes:
        pick = outbound_policies(state.legacy, dataplane.tag_sets, named)
        outbounds = tuple(replace(outbound, legacy=pick(outbound.service)) for outbound in outbounds)
    scheme = scheme_of(state, facts)
    to_real = (
        _real_vips(state, dataplane, known, scheme) if by_vip else tuple(explicit_outbounds(dataplane, known.real))
    )
    protocols = {spec.protocol for spec in outbounds} | {real.of.protocol for real in to_real}
    tell_source = bool(routes or state.tags_header) and not protocols.isdisjoint(HTTP_LIKE)
    named |= {tag.service for tag in known.routes.tags}
    direct = _direct(dataplane, (*outbounds, *to_real), state, known) if redirection is not None else ()
    older, decision = _tracers(state, dataplane, matched)
    inputs = OutboundInputs(
        settings=settings,
        mesh=state.mesh,
        ipv6=facts.ipv6,
        outbounds=outbounds,
        policies=tuple(kind.outbound for kind in matched),
        real=to_real,
        routes=known.routes,
        egress=known.egress,
        scheme=scheme,
        legacy=bool(routes),
        source_tags=source_tags(dataplane) if tell_source or _to_items(matched, HEALTH_CHECK) else "",
        tell_source=tell_source,
        tls_params=tls_params(_selecting(matched, MESH_TLS)),
        bind=redirection is None or facts.has(FEATURE_BIND_OUTBOUNDS),
        dns=_dns(redirection, facts),
        direct=direct,
        tracer=decision.tracer if decision is not None else older if routes else None,
        # Routes may lead anywhere; without them only what the outbounds name is used.
        external=tuple(one for one in known.external if routes or one.service in named),
        place=place_of(known.zone, dataplane, matched),
    )
    return _logged(inputs, state, dataplane, facts, matched)


def place_of(zone: str, dataplane: Dataplane, matched: Sequence[Matched]) -> Place:
    """Where a proxy is, with the first values of the tags that policies compare; others would divide classes."""
    asked = asked_tags(_selecting(matched, LOAD_BALANCING))
    return Place(zone, tuple((k, values[0]) for k, values in dataplane.all_tags.items() if k in asked) if asked else ())


def _logged(
    inputs: OutboundInputs, state: MeshState, dataplane: Dataplane, facts: ProxyFacts, matched: Sequence[Matched]
) -> OutboundInputs:
    """The inputs with what logs need, if there are any: who the proxy is, which makes a class of its own of it."""
    redirected = redirection_of(dataplane, facts) is not None
    passing = pass_through(matched, state.legacy, dataplane) if redirected else NO_PASS_THROUGH
    older = any(outbound.legacy.log for outbound in inputs.outbounds) or (inputs.direct and passing.legacy)
    if not (older or _to_items(matched, MESH_ACCESS_LOG)):
        return inputs
    return replace(
        inputs,
        speaker=speaker_of(dataplane, state.mesh.name, facts),
        collectors=known_collectors(matched, dataplane, passing),
        pass_through=passing if inputs.direct else NO_PASS_THROUGH,
    )


def plain_outbounds(wanted: Wanted, services: Services, tls_ready: TlsReady) -> tuple[OutboundSpec, ...]:
    """Outbounds with what is known of the services they lead to."""
    found = []
    for address, port, service, tags, hostnames in wanted:
        # Other meshes are entered by gateways that speak HTTP, and only with TLS.
        elsewhere = any(key == MESH_TAG for key, _ in tags)
        protocol, tls = (HTTP, True) if elsewhere else (services(service).protocol, tls_ready(service))
        found.append(OutboundSpec(address, port, tags, protocol, tls, hostnames))
    return tuple(found)


def explicit_wanted(dataplane: Dataplane) -> Wanted:
    """The outbounds to tag services that a Dataplane names."""
    return tuple(
        (outbound.address, outbound.port, outbound.service, tuple(sorted(outbound.tags.items())), ())
        for outbound in dataplane.outbounds
        if outbound.service
    )


def _vip_specs(state: MeshState, dataplane: Dataplane, known: Destinations) -> Iterator[WantedOutbound]:
    """Every service of the mesh at its virtual address, or those that the proxy says or is held to need."""
    if state.mesh.exclusive:
        return
    reachable = dataplane.transparent.reachable_services if dataplane.transparent is not None else ()
    own = {(inbound.address, inbound.port) for inbound in dataplane.inbounds}
    outside = {one.service for one in known.external if one.instances}
    for vip in state.vips:
        may_enter = known.reach is None or vip.service in outside or known.reach.tags(vip.tags)
        needed = (not reachable or vip.service in reachable) and may_enter
        if needed and (vip.address, vip.port) not in own:
            yield vip.address, vip.port, vip.service, vip.tags, vip.hostnames


def _real_vips(state: MeshState, dataplane: Dataplane, known: Destinations, scheme: Scheme) -> tuple[RealOutbound, ...]:
    """Outbounds to real services at their virtual addresses, to those that the proxy says or is held to need."""
    found, reach = known.vips.of(state.mesh, dataplane, known.real, unified=scheme.unified), known.reach
    return found if reach is None else tuple(one for one in found if reach.service(one.service))


def _to_items(matched: Iterable[Matched], kind: str) -> bool:
    """Whether policies of a kind say something about the proxy's destinations."""
    return any(policy.to_items for policy in _selecting(matched, kind))


def _selecting(matched: Iterable[Matched], kind: str) -> list[Policy]:
    """The policies of a kind that select the proxy, in ascending strength."""
    return [policy for of_kind in matched for policy, _ in of_kind.entries if policy.kind == kind]


def source_tags(dataplane: Dataplane) -> str:
    """How a proxy tells its tags to others."""
    return "".join(f"&{key}={','.join(values)}&" for key, values in dataplane.all_tags.items())


def _dns(redirection: Redirection | None, facts: ProxyFacts) -> DnsInputs | None:
    if redirection is None or not redirection.dns or facts.has(FEATURE_BIND_OUTBOUNDS):
        return None
    ipv6 = facts.ipv6 and redirection.ipv6
    return DnsInputs(facts.has(FEATURE_EMBEDDED_DNS), facts.dns_port, facts.workdir, ipv6)


def _direct(
    dataplane: Dataplane, outbounds: Iterable[OutboundSpec | RealOutbound], state: MeshState, known: Destinations
) -> tuple[tuple[str, int], ...]:
    """Addresses of all instances of the services that may be reached directly, but for the proxy's own."""
    transparent = dataplane.transparent
    wanted = transparent.direct_access_services if transparent is not None else ()
    if not wanted:
        return ()
    everything = "*" in wanted
    named = [vip.service for vip in state.vips] if everything else wanted
    instances = [endpoint for service in named for endpoint in known.services(service).mesh]
    for service in known.real if everything else ():
        for port in service.ports:
            instances += known.services(service.endpoints(port.number)).local
    taken = {outbound.address for outbound in outbounds} | {inbound.address for inbound in dataplane.inbounds}
    return tuple(sorted({(e.address, e.port) for e in instances if e.address not in taken}))
