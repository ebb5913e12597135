"""Builtin gateways of the older generation: which MeshGateway and routes a gateway has, and the policies that count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ursa.model.json import JsonObject
from ursa.model.labels import SERVICE_TAG
from ursa.model.resource import Resource
from ursa.policies.legacy.matching import ConnectionPolicy, Tags, best_rank, for_destination, for_proxy
from ursa.policies.legacy.places import Policies

ON_DESTINATIONS = ("CircuitBreaker", "FaultInjection", "HealthCheck", "RateLimit", "Retry", "Timeout")
ANY_HOST = "*"
PASS_THROUGH = "pass_through"

Single = dict[str, ConnectionPolicy]
"""One policy per kind."""


@dataclass(frozen=True, slots=True)
class GatewayRoute:
    """A route of one listener and host: its name, and the tags of the destinations it leads to."""

    port: int
    protocol: str
    host: str
    route: str
    destinations: tuple[Tags, ...]


def gateway_of(gateways: Iterable[ConnectionPolicy], tags: Tags) -> ConnectionPolicy | None:
    """The MeshGateway of a gateway with these tags: the one whose selectors fit best."""
    return for_proxy((gateway for gateway in gateways if gateway.selectors), (tags,))


def routes_of(gateway: Resource, tags: Tags, routes: Iterable[ConnectionPolicy]) -> Iterator[GatewayRoute]:
    """The MeshGatewayRoutes of a gateway, listener by listener and host by host.

    Args:
        gateway: the MeshGateway.
        tags: of the gateway's Dataplane.
        routes: the MeshGatewayRoutes of the mesh.
    """
    known = list(routes)
    for listener in gateway.spec.get("conf", {}).get("listeners", ()):
        every = {**tags, **gateway.spec.get("tags", {}), **listener.get("tags", {})}
        for route in known:
            if best_rank(route.selectors, (every,)) is None:
                continue
            for host, destinations in _hosts(route.resource, listener.get("hostname") or ANY_HOST):
                yield GatewayRoute(int(listener["port"]), listener["protocol"], host, route.name, destinations)


def on_destination(policies: Policies, source: Tags, destination: Tags) -> Single:
    """The policies for connections from a gateway to a destination."""
    service = destination.get(SERVICE_TAG, "")
    chosen = {kind: for_destination(policies.get(kind, ()), (source,), service) for kind in ON_DESTINATIONS}
    return {kind: policy for kind, policy in chosen.items() if policy is not None}


def on_gateway(policies: Policies, source: Tags) -> Single:
    """The policies for a gateway as a whole."""
    log = for_destination(policies.get("TrafficLog", ()), (source,), PASS_THROUGH)
    trace = for_proxy(policies.get("TrafficTrace", ()), (source,))
    found: Mapping[str, ConnectionPolicy | None] = {"TrafficLog": log, "TrafficTrace": trace}
    return {kind: policy for kind, policy in found.items() if policy is not None}


def _hosts(route: Resource, listener: str) -> Iterator[tuple[str, tuple[Tags, ...]]]:
    """Hosts for which a listener serves the route, with the route's destinations."""
    conf: JsonObject = route.spec.get("conf", {})
    http: JsonObject = conf.get("http", {})
    rules: Sequence[JsonObject] = http.get("rules") or conf.get("tcp", {}).get("rules") or ()
    backends = [backend.get("destination", {}) for rule in rules for backend in rule.get("backends", ())]
    destinations = tuple({tuple(sorted(tags.items())): tags for tags in backends}.values())
    named: Sequence[str] = http.get("hostnames") or (listener,)
    for host in named:
        if name := served(host, listener):
            yield name, destinations


def served(host: str, listener: str) -> str:
    """The more exact of two host names when one covers the other, otherwise nothing."""
    if covers(listener, host):
        return host
    return listener if covers(host, listener) else ""


def covers(pattern: str, host: str) -> bool:
    """Whether a host name, which may be a wildcard, stands for another one, too."""
    if pattern.startswith("*"):
        return host.endswith(pattern[1:])
    return pattern == host
