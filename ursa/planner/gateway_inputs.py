"""From a builtin gateway's Dataplane, MeshGateway and mesh to the inputs of what it does beside its own half."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ursa.model.dataplane import Dataplane
from ursa.model.json import JsonObject
from ursa.model.labels import SERVICE_TAG
from ursa.planner.gateway_forms import GatewayForm
from ursa.planner.inputs import OutboundInputs, Pairs, ProxyFacts, Settings
from ursa.planner.logbooks import speaker_of
from ursa.planner.meshes import MeshState
from ursa.planner.sidecars import Destinations, place_of, scheme_of, source_tags, tracer_of
from ursa.policies.core.matching import Matched
from ursa.policies.core.policy import Policy
from ursa.policies.core.target_ref import MESH
from ursa.policies.legacy.fault_injection import KIND as FAULT_INJECTION
from ursa.policies.legacy.gateways import Single, on_destination, on_gateway
from ursa.policies.legacy.matching import ConnectionPolicy, Tags, all_for_inbound, best_rank
from ursa.policies.mesh_tls.effect import KIND as MESH_TLS
from ursa.policies.mesh_tls.effect import tls_params

Older = tuple[tuple[str, ConnectionPolicy], ...]
"""Source/destination policies, one per kind, by kind."""


@dataclass(frozen=True, slots=True)
class GatewayRoutes:
    """A MeshGateway, None for none, and the routes that select one of its listeners.

    Attributes:
        http, tcp: MeshHTTPRoutes and MeshTCPRoutes with the listeners they select.
        older: MeshGatewayRoutes.
    """

    form: GatewayForm | None
    http: Matched
    tcp: Matched
    older: tuple[ConnectionPolicy, ...]


@dataclass(frozen=True, slots=True)
class GatewayInputs:
    """Inputs of the listeners, routes and clusters of a builtin gateway.

    Attributes:
        reach: what it may lead to, as for a sidecar without outbounds.
        tags: of the Dataplane.
        routes: the MeshGateway that selects it, and what leads on from there.
        matched: per plugin, in their order: the policies with the listeners they select.
        older: source/destination policies by the service they are about.
        on_gateway: those for the gateway as a whole.
        faults: FaultInjections for its clients.
    """

    reach: OutboundInputs
    address: str
    service: str
    tags: Pairs
    routes: GatewayRoutes
    matched: tuple[Matched, ...] = ()
    older: tuple[tuple[str, Older], ...] = ()
    on_gateway: Older = ()
    faults: tuple[ConnectionPolicy, ...] = ()


def older_routes(state: MeshState, form: GatewayForm | None, tags: Tags) -> tuple[ConnectionPolicy, ...]:
    """The MeshGatewayRoutes that select a listener of a gateway."""
    listeners = () if form is None else tuple({**tags, **dict(listener.tags)} for listener in form.listeners)
    routes = state.legacy.get("MeshGatewayRoute", ())
    return tuple(route for route in routes if best_rank(route.selectors, listeners) is not None)


def older_services(routes: Iterable[ConnectionPolicy]) -> set[str]:
    """The services that MeshGatewayRoutes lead to."""
    return {tags.get(SERVICE_TAG, "") for route in routes for tags in _destinations(route)}


def gateway_inputs(
    state: MeshState,
    dataplane: Dataplane,
    facts: ProxyFacts,
    settings: Settings,
    matched: Sequence[Matched],
    known: Destinations,
    routes: GatewayRoutes,
) -> GatewayInputs:
    """The inputs; `matched` holds the policies that select the gateway, per plugin."""
    tags: Tags = {} if dataplane.gateway is None else dataplane.gateway.tags
    service = dataplane.identifying_service
    destinations = sorted(older_services(routes.older))
    named = {tag.service for tag in known.routes.tags}
    reach = OutboundInputs(
        settings=settings,
        mesh=state.mesh,
        ipv6=facts.ipv6,
        outbounds=(),
        policies=(),
        routes=known.routes,
        egress=known.egress,
        scheme=scheme_of(state, facts),
        source_tags=source_tags(dataplane),
        tls_params=tls_params(_of_kind(matched, MESH_TLS)),
        speaker=speaker_of(dataplane, state.mesh.name, facts),
        tracer=tracer_of(state, dataplane, matched),
        place=place_of(known.zone, dataplane, matched),
        external=tuple(one for one in known.external if one.service in named),
    )
    return GatewayInputs(
        reach=reach,
        address=dataplane.address,
        service=service,
        tags=tuple(sorted(tags.items())),
        routes=routes,
        matched=tuple(matched),
        older=tuple((to, _sorted(on_destination(state.legacy, tags, {SERVICE_TAG: to}))) for to in destinations),
        on_gateway=_sorted(on_gateway(state.legacy, tags)),
        faults=all_for_inbound(state.legacy.get(FAULT_INJECTION, ()), tags),
    )


def edge_routes(matched: Matched) -> Matched:
    """Those of some routes that lead from gateways, and not from the outbounds of sidecars."""
    at_edge = (e for e in matched.entries if any(item.target.kind == MESH for item in e[0].to_items))
    return Matched(tuple(at_edge))


def _destinations(route: ConnectionPolicy) -> Iterator[Tags]:
    conf: JsonObject = route.resource.spec.get("conf", {})
    for protocol in ("http", "tcp"):
        for rule in conf.get(protocol, {}).get("rules", ()):
            mirrors = (one["mirror"].get("backend", {}) for one in rule.get("filters", ()) if "mirror" in one)
            for backend in (*rule.get("backends", ()), *mirrors):
                yield backend.get("destination", {})


def _sorted(policies: Single) -> Older:
    return tuple(sorted(policies.items(), key=lambda pair: pair[0]))


def _of_kind(matched: Iterable[Matched], kind: str) -> list[Policy]:
    return [policy for of_kind in matched for policy, _ in of_kind.entries if policy.kind == kind]
