"""Where the requests and connections of an outbound go: routes and shares, whatever sort of policy they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ursa.ir.cluster import LoadBalancer
from ursa.ir.routes import Forward, Route, RouteMatch, WeightedCluster
from ursa.model.labels import SERVICE_TAG
from ursa.planner.backends import Backend, backend_name, tag_backend
from ursa.planner.inputs import OutboundInputs, OutboundSpec
from ursa.policies.core.route_hash import matches_hash
from ursa.policies.legacy.traffic_route import Share, modify_route, route_conf
from ursa.topology.protocols import HTTP_LIKE

CATCH_ALL = matches_hash([{"path": {"value": "/", "type": "PathPrefix"}}])
"""Name of the route that takes every request."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A share of the traffic."""

    backend: Backend
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Routing:
    """What an outbound does with its traffic.

    Attributes:
        routes: in order; none where bytes are forwarded.
        legs: the shares of connections, where bytes are forwarded.
        backends: everything that it leads to.
        balancer: None for round robin.
    """

    routes: tuple[Route, ...]
    legs: tuple[Leg, ...]
    backends: tuple[Backend, ...]
    balancer: LoadBalancer | None = None


def plain_routing(backend: Backend, inputs: OutboundInputs) -> Routing:
    """Everything goes to the destination itself."""
    legs = (Leg(backend),)
    routes = (catch_all(backend, inputs),) if backend.protocol in HTTP_LIKE else ()
    return Routing(routes, legs, (backend,))


def legacy_routing(spec: OutboundSpec, inputs: OutboundInputs) -> Routing:
    """Everything goes where the TrafficRoute that counts says, nothing anywhere if it names no service."""
    conf = route_conf(spec.legacy.route, dict(spec.tags))
    legs = _legs(conf.shares, spec, inputs)
    routes = []
    backends = []
    for rule in conf.rules:
        rule_legs = _legs(rule.shares, spec, inputs)
        route = Route(rule.match, forward(rule_legs, inputs))
        modify_route(route, rule.modify)
        routes.append(route)
        backends += [leg.backend for leg in rule_legs]
    routes.append(Route(RouteMatch("/"), forward(legs, inputs)))
    backends += [leg.backend for leg in legs]
    http = spec.protocol in HTTP_LIKE and bool(backends)
    return Routing(tuple(routes) if http else (), legs, tuple(backends), conf.balancer)


def catch_all(backend: Backend, inputs: OutboundInputs) -> Route:
    """The route that takes what no other one takes."""
    return Route(RouteMatch("/"), forward((Leg(backend),), inputs), name=CATCH_ALL)


def forward(legs: Sequence[Leg], inputs: OutboundInputs) -> Forward:
    """Sends requests to these backends."""
    # Servers outside of the mesh are asked by their own names.
    outside = any(leg.backend.external for leg in legs)
    return Forward(weighted(legs, inputs), timeout=0, auto_host_rewrite=outside)


def weighted(legs: Sequence[Leg], inputs: OutboundInputs) -> tuple[WeightedCluster, ...]:
    """The clusters of these backends with their weights."""
    return tuple(WeightedCluster(backend_name(leg.backend, unified=inputs.scheme.unified), leg.weight) for leg in legs)


def _legs(shares: Sequence[Share], spec: OutboundSpec, inputs: OutboundInputs) -> tuple[Leg, ...]:
    return tuple(
        Leg(tag_backend(share.tags, spec.protocol, inputs, tls=spec.tls), share.weight)
        for share in shares
        if SERVICE_TAG in share.tags
    )
