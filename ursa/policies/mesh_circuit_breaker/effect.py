"""MeshCircuitBreaker: limits on what clusters hold open, and ejection of endpoints that fail (`spec` §3.4)."""

from __future__ import annotations

from collections.abc import Sequence

from ursa.ir.cluster import EDS, Cluster, OutlierDetection, Thresholds
from ursa.ir.listener import FilterChain
from ursa.model.duration import parse_go
from ursa.model.json import JsonObject
from ursa.policies.core.matching import inbound_conf, mesh_conf
from ursa.policies.core.outlier_detectors import consecutive, failure_percentage, success_rate
from ursa.policies.core.policy import Policy
from ursa.policies.plugin import DestinationRules, EgressTarget, InboundTarget, OutboundTarget, PolicyPlugin


class MeshCircuitBreakerPlugin(PolicyPlugin):
    """Writes circuit breakers and outlier detection on clusters."""

    kind = "MeshCircuitBreaker"

    def inbound(self, target: InboundTarget, policies: tuple[Policy, ...]) -> None:
        found = inbound_conf(policies)
        if found is not None:
            _on_cluster(target.cluster, found.conf)

    def outbound(self, target: OutboundTarget, rules: DestinationRules) -> None:
        for cluster in target.clusters:
            # What is outside is guarded by the egress, where all clients meet.
            conf = None if cluster.external else rules.conf(cluster)
            if conf is not None:
                _on_cluster(cluster, conf)

    def passed_on(self, cluster: Cluster, chains: Sequence[FilterChain], zone: str, rules: DestinationRules) -> None:
        # To a client all zones behind an egress are one address. The egress tells their ingresses apart.
        conf = rules.conf(cluster)
        if conf is not None and cluster.type == EDS:
            _eject(cluster, conf)

    def mesh_external(self, target: EgressTarget, policies: tuple[Policy, ...]) -> None:
        found = mesh_conf(policies)
        if found is not None:
            _on_cluster(target.cluster, found.conf)


def _on_cluster(cluster: Cluster, conf: JsonObject) -> None:
    limits = conf.get("connectionLimits")
    if limits is not None:
        cluster.thresholds = Thresholds(
            max_connections=limits.get("maxConnections"),
            max_connection_pools=limits.get("maxConnectionPools"),
            max_pending_requests=limits.get("maxPendingRequests"),
            max_requests=limits.get("maxRequests"),
            max_retries=limits.get("maxRetries"),
        )
    _eject(cluster, conf)


def _eject(cluster: Cluster, conf: JsonObject) -> None:
    detection = conf.get("outlierDetection")
    if detection is not None and not detection.get("disabled"):
        cluster.outliers = _outliers(detection)
        if (threshold := detection.get("healthyPanicThreshold")) is not None:
            cluster.panic_threshold = float(threshold)


def _outliers(conf: JsonObject) -> OutlierDetection:
    detectors: JsonObject = conf.get("detectors") or {}
    return OutlierDetection(
        interval=_ns(conf, "interval"),
        base_ejection_time=_ns(conf, "baseEjectionTime"),
        max_ejection_percent=conf.get("maxEjectionPercent"),
        split_errors=conf.get("splitExternalAndLocalErrors"),
        consecutive_5xx=consecutive(detectors.get("totalFailures")),
        consecutive_gateway_failure=consecutive(detectors.get("gatewayFailures")),
        consecutive_local_origin_failure=consecutive(detectors.get("localOriginFailures")),
        success_rate=success_rate(detectors.get("successRate"), "standardDeviationFactor"),
        failure_percentage=failure_percentage(detectors.get("failurePercentage")),
    )


def _ns(conf: JsonObject, field: str) -> int | None:
    value = conf.get(field)
    return None if value is None else parse_go(value)
