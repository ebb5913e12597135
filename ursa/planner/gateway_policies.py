"""Policies on gateways: those of both generations for what their clients do and for what they lead to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ursa.ir.cluster import Cluster
from ursa.ir.listener import Listener
from ursa.model.labels import SERVICE_TAG
from ursa.planner.backends import Backend, RealBackend, TagBackend
from ursa.planner.gateway_inputs import GatewayInputs
from ursa.planner.gateway_routes import ANY_DESTINATION, EdgeRoute
from ursa.policies.core.policy import Policy
from ursa.policies.core.speaker import Logbook
from ursa.policies.legacy.gateway_effects import Chosen, on_cluster, on_connections, on_gateway, on_route
from ursa.policies.plugin import DestinationRules, OutboundTarget, PolicyPlugin

RulesOf = Callable[[tuple[Policy, ...]], DestinationRules]
"""Compiles the policies of one kind that select a listener."""


@dataclass(frozen=True, slots=True)
class Edge:
    """What policies change: one listener of a gateway for Envoy, with everything behind it.

    Attributes:
        positions: of those listeners of the MeshGateway that it stands for.
        routes: of HTTP, with what they lead to.
        backends: by the names of their clusters.
        older: whether MeshGatewayRoutes lead there.
    """

    positions: tuple[int, ...]
    listener: Listener
    clusters: tuple[Cluster, ...]
    routes: Sequence[EdgeRoute]
    backends: Mapping[str, Backend]
    older: bool


def adjust(
    edge: Edge, inputs: GatewayInputs, plugins: Sequence[PolicyPlugin], rules_of: RulesOf, book: Logbook
) -> None:
    """Applies the policies that select one of the listeners, the older generation first."""
    chosen = dict(inputs.on_gateway)
    on_gateway(edge.listener, chosen, inputs.faults, inputs.reach.mesh, speaker=book.speaker)
    if edge.older:
        _by_connection(edge, {service: dict(policies) for service, policies in inputs.older})
    target = OutboundTarget(
        edge.listener,
        edge.clusters,
        edge.listener.protocol,
        ANY_DESTINATION,
        source_tags=inputs.reach.source_tags,
        logbook=book,
        place=inputs.reach.place,
        by_egress=inputs.reach.mesh.zone_egress,
    )
    ports = {b.kri: (b.service, b.section) for b in edge.backends.values() if isinstance(b, RealBackend)}
    for plugin, matched in zip(plugins, inputs.matched, strict=True):
        selecting = tuple(
            p for p, selection in matched.entries if not set(edge.positions).isdisjoint(selection.listeners)
        )
        outward = tuple(policy for policy in selecting if policy.to_items)
        plugin.gateway(target, replace(rules_of(outward), ports=ports), selecting)
    if inputs.reach.tracer is not None:
        inputs.reach.tracer.at_the_edge().trace(edge.listener)


def _by_connection(edge: Edge, older: Mapping[str, Chosen]) -> None:
    """The policies for single destinations; of several behind a route the first one's count."""
    for one in edge.routes:
        for backend in one.backends[:1]:
            on_route(one.route, older.get(_service(backend), {}))
    if not edge.routes:
        for backend in list(edge.backends.values())[:1]:
            on_connections(edge.listener, older.get(_service(backend), {}))
    for cluster in edge.clusters:
        on_cluster(cluster, older.get(cluster.tags.get(SERVICE_TAG, ""), {}))


def _service(backend: Backend) -> str:
    return backend.tags[SERVICE_TAG] if isinstance(backend, TagBackend) else ""
