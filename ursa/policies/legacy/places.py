"""Where on a sidecar source/destination policies are attached: inbounds, outbounds, services behind them, the proxy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ursa.model.dataplane import Dataplane
from ursa.model.labels import SERVICE_TAG
from ursa.policies.legacy.matching import (
    ConnectionPolicy,
    Tags,
    all_for_inbound,
    for_destination,
    for_inbound,
    for_proxy,
)

Policies = Mapping[str, Sequence[ConnectionPolicy]]
"""Policies of a mesh by kind."""

Attached = dict[str, tuple[ConnectionPolicy, ...]]
"""Policies attached in one place, by kind."""

PERMISSION = "TrafficPermission"
ON_INBOUNDS = ("FaultInjection", "RateLimit")
"""Kinds of which all that match an inbound count; each is for other clients."""
ON_OUTBOUNDS = ("Timeout", "TrafficRoute")
ON_SERVICES = ("CircuitBreaker", "HealthCheck", "Retry", "TrafficLog")
ON_PROXIES = ("ProxyTemplate", "TrafficTrace")

METRICS_SERVICE = "dataplane-metrics"

Choose = Callable[[Iterable[ConnectionPolicy]], ConnectionPolicy | None]


@dataclass(frozen=True, slots=True)
class Place:
    """A place; `name` is the address of an inbound or outbound, `service` what is behind it."""

    type: str
    name: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True)
class Outward:
    """An outbound by address and service."""

    address: str
    port: int
    service: str


def sidecar_places(
    dataplane: Dataplane, outbounds: Sequence[Outward], metrics_port: int, policies: Policies
) -> Iterator[tuple[Place, Attached]]:
    """All places where some policy is attached.

    Args:
        dataplane: the sidecar.
        outbounds: its outbounds.
        metrics_port: port at which its metrics are read, an inbound for permissions; 0 for none.
        policies: of its mesh.
    """
    found = [
        *_metrics(dataplane, metrics_port, policies),
        *_inbounds(dataplane, policies),
        *_outbounds(dataplane, outbounds, policies),
        (Place("dataplane"), _single(ON_PROXIES, policies, lambda of: for_proxy(of, dataplane.tag_sets))),
    ]
    return ((place, attached) for place, attached in found if attached)


def _metrics(dataplane: Dataplane, port: int, policies: Policies) -> Iterator[tuple[Place, Attached]]:
    if port:
        tags = {SERVICE_TAG: METRICS_SERVICE}
        place = Place("inbound", f"{dataplane.address}:{port}:{port}")
        yield place, _single((PERMISSION,), policies, lambda of: for_inbound(of, tags))


def _inbounds(dataplane: Dataplane, policies: Policies) -> Iterator[tuple[Place, Attached]]:
    for inbound in dataplane.inbounds:
        name = f"{inbound.address}:{inbound.port}:{inbound.workload_port}"
        yield Place("inbound", name, inbound.service), _on_inbound(inbound.tags, policies)


def _on_inbound(tags: Tags, policies: Policies) -> Attached:
    attached = _single((PERMISSION,), policies, lambda of: for_inbound(of, tags))
    matching = {kind: all_for_inbound(policies.get(kind, ()), tags) for kind in ON_INBOUNDS}
    return attached | {kind: found for kind, found in matching.items() if found}


def _outbounds(
    dataplane: Dataplane, outbounds: Iterable[Outward], policies: Policies
) -> Iterator[tuple[Place, Attached]]:
    services: dict[str, Attached] = {}
    for outbound in outbounds:
        to_service = _to(dataplane, outbound.service)
        name = f"{outbound.address}:{outbound.port}"
        yield Place("outbound", name, outbound.service), _single(ON_OUTBOUNDS, policies, to_service)
        services.setdefault(outbound.service, _single(ON_SERVICES, policies, to_service))
    for service in sorted(services):
        yield Place("service", service, service), services[service]


def _to(dataplane: Dataplane, service: str) -> Choose:
    return lambda of: for_destination(of, dataplane.tag_sets, service)


def _single(kinds: Iterable[str], policies: Policies, choose: Choose) -> Attached:
    chosen = {kind: choose(policies.get(kind, ())) for kind in kinds}
    return {kind: (policy,) for kind, policy in chosen.items() if policy is not None}
