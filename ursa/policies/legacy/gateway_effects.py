"""What source/destination policies do to builtin gateways, for which they count without TrafficRoutes, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ursa.ir.cluster import Cluster
from ursa.ir.listener import Listener
from ursa.ir.routes import Forward, Route
from ursa.model.duration import parse_proto
from ursa.model.json import JsonObject
from ursa.model.mesh import Mesh
from ursa.policies.core.speaker import Speaker
from ursa.policies.legacy import circuit_breaker, fault_injection, health_check, rate_limit, retry, timeout, traffic_log
from ursa.policies.legacy.matching import ConnectionPolicy

Chosen = Mapping[str, ConnectionPolicy]
"""The policies that count for a destination, or for a gateway, by kind."""

ANYBODY = "*"
"""The destination of a gateway's requests as logs name it."""


def on_gateway(
    listener: Listener, chosen: Chosen, faults: Sequence[ConnectionPolicy], mesh: Mesh, *, speaker: Speaker
) -> None:
    """Logs what a listener takes, and makes faults for its clients."""
    if (log := chosen.get(traffic_log.KIND)) is not None:
        traffic_log.log_traffic(listener, log, mesh, speaker=speaker, destination=ANYBODY)
    fault_injection.inject_faults(listener.chains, faults)


def on_route(route: Route, chosen: Chosen) -> None:
    """Applies the policies for the destination of a route."""
    if not isinstance(route.action, Forward):
        return
    http: JsonObject = _conf(chosen.get(timeout.KIND)).get("http", {})
    if "requestTimeout" in http:
        route.action.timeout = parse_proto(http["requestTimeout"])
    if (again := _conf(chosen.get(retry.KIND))) and "http" in again:
        route.action.retry = retry.retry_policy(again["http"], "http")
    if (limit := chosen.get(rate_limit.KIND)) is not None:
        route.rate_limit = rate_limit.rate_limit(limit)


def on_connections(listener: Listener, chosen: Chosen) -> None:
    """Applies the policies for the destination of a listener that forwards bytes."""
    for chain in listener.chains:
        if (proxy := chain.tcp) is not None:
            if (idle := _conf(chosen.get(timeout.KIND)).get("tcp", {}).get("idleTimeout")) is not None:
                proxy.idle_timeout = parse_proto(idle)
            attempts = _conf(chosen.get(retry.KIND)).get("tcp", {}).get("maxConnectAttempts")
            proxy.max_connect_attempts = attempts or proxy.max_connect_attempts


def on_cluster(cluster: Cluster, chosen: Chosen) -> None:
    """Applies the policies for the instances of a destination."""
    times = _conf(chosen.get(timeout.KIND))
    if "connectTimeout" in times:
        cluster.connect_timeout = parse_proto(times["connectTimeout"])
    http: JsonObject = times.get("http", {})
    if cluster.http is not None and "idleTimeout" in http:
        cluster.http.idle_timeout = parse_proto(http["idleTimeout"])
    if cluster.http is not None and "maxStreamDuration" in http:
        cluster.http.max_stream_duration = parse_proto(http["maxStreamDuration"])
    if (breaker := chosen.get(circuit_breaker.KIND)) is not None:
        circuit_breaker.break_circuits(cluster, breaker)
    if (check := chosen.get(health_check.KIND)) is not None:
        health_check.check_health(cluster, check)


def _conf(policy: ConnectionPolicy | None) -> JsonObject:
    conf: JsonObject = {} if policy is None else policy.resource.spec.get("conf", {})
    return conf
