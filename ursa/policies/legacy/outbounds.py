"""What source/destination policies do to the outbounds of sidecars, in meshes that route by TrafficRoutes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ursa.ir.listener import HttpRateLimit
from ursa.model.json import JsonObject
from ursa.model.labels import SERVICE_TAG
from ursa.model.mesh import Mesh
from ursa.policies.legacy import circuit_breaker, health_check, rate_limit, retry, timeout, traffic_log, traffic_route
from ursa.policies.legacy.matching import ConnectionPolicy, FromSource, Tags
from ursa.policies.legacy.places import Policies
from ursa.policies.plugin import OutboundTarget

OUTBOUND_KINDS = (
    traffic_route.KIND,
    timeout.KIND,
    retry.KIND,
    circuit_breaker.KIND,
    health_check.KIND,
    traffic_log.KIND,
)


@dataclass(frozen=True, slots=True)
class ServicePolicies:
    """The policies that count for instances of a service."""

    breaker: ConnectionPolicy | None = None
    check: ConnectionPolicy | None = None


@dataclass(frozen=True, slots=True)
class OutboundPolicies:
    """The policies that count for one outbound.

    Attributes:
        services: those for what the outbound leads to, by service.
    """

    route: ConnectionPolicy | None = None
    timeout: ConnectionPolicy | None = None
    retry: ConnectionPolicy | None = None
    rate_limit: ConnectionPolicy | None = None
    log: ConnectionPolicy | None = None
    services: tuple[tuple[str, ServicePolicies], ...] = ()


NO_POLICIES = OutboundPolicies()


def outbound_policies(
    policies: Policies, source: Sequence[Tags], known: Collection[str]
) -> Callable[[str], OutboundPolicies]:
    """The policies of a proxy, service by service; there are none without TrafficRoutes.

    Args:
        policies: of its mesh.
        source: its tag sets.
        known: the services that it has outbounds to. As in Kuma, policies look at no others that routes lead to.
    """
    if not policies.get(traffic_route.KIND):
        return lambda service: NO_POLICIES

    kinds = {kind: FromSource(policies.get(kind, ()), source) for kind in (*OUTBOUND_KINDS, rate_limit.KIND)}

    def find(kind: str, service: str) -> ConnectionPolicy | None:
        return kinds[kind].to(service)

    def of_service(service: str) -> ServicePolicies:
        return ServicePolicies(find(circuit_breaker.KIND, service), find(health_check.KIND, service))

    def of_outbound(service: str) -> OutboundPolicies:
        route = find(traffic_route.KIND, service)
        return OutboundPolicies(
            route,
            find(timeout.KIND, service),
            find(retry.KIND, service),
            find(rate_limit.KIND, service),
            find(traffic_log.KIND, service),
            tuple((name, of_service(name)) for name in sorted({service, *_services(route)}) if name in known),
        )

    return of_outbound


def adjust_outbound(target: OutboundTarget, policies: OutboundPolicies, mesh: Mesh, *, outside: bool) -> None:
    """Applies the policies to an outbound that no other policy has touched yet.

    Args:
        target: the outbound.
        policies: the policies.
        mesh: has the backends of logs.
        outside: whether it leads straight to servers outside of the mesh, where no proxy keeps to rates.
    """
    if policies.log is not None and target.logbook is not None:
        service = target.tags[SERVICE_TAG]
        traffic_log.log_traffic(
            target.listener, policies.log, mesh, speaker=target.logbook.speaker, destination=service
        )
    if policies != NO_POLICIES:
        timeout.time_out(target.listener, target.clusters, target.protocol, policies.timeout)
    if policies.retry is not None:
        retry.try_again(target.listener, target.protocol, policies.retry)
    if policies.rate_limit is not None:
        _keep_to_rate(target, policies.rate_limit, outside=outside)
    by_service = dict(policies.services)
    for cluster in target.clusters:
        of_service = by_service.get(cluster.tags.get(SERVICE_TAG, ""), ServicePolicies())
        if of_service.breaker is not None:
            circuit_breaker.break_circuits(cluster, of_service.breaker)
        if of_service.check is not None:
            health_check.check_health(cluster, of_service.check)


def _keep_to_rate(target: OutboundTarget, policy: ConnectionPolicy, *, outside: bool) -> None:
    """The filter is there for every destination that has a rate, and idle where the destination keeps to it itself."""
    for chain in target.listener.chains:
        if (manager := chain.http) is not None:
            manager.before_router(HttpRateLimit())
            for route, _ in manager.route_config.forwarding if outside else ():
                route.rate_limit = rate_limit.rate_limit(policy)


def _services(route: ConnectionPolicy | None) -> Iterator[str]:
    """Services that a route names."""
    conf: JsonObject = {} if route is None else route.resource.spec.get("conf", {})
    for part in (conf, *conf.get("http", ())):
        shares: Iterable[JsonObject] = (part, *part.get("split", ()))
        for share in shares:
            if (service := share.get("destination", {}).get(SERVICE_TAG, "*")) != "*":
                yield service
