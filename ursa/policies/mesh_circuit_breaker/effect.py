"""MeshCircuitBreaker: limits on what clusters hold open, and ejection of endpoints that fail (`spec` §3.4)."""

from __future__ import annotations

from ursa.ir.cluster import Cluster, Consecutive, FailurePercentage, OutlierDetection, SuccessRate, Thresholds
from ursa.model.duration import parse_go
from ursa.model.json import JsonObject
from ursa.policies.core.matching import inbound_conf, mesh_conf
from ursa.policies.core.policy import Policy
from ursa.policies.core.thousandths import thousandths
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
        consecutive_5xx=_consecutive(detectors, "totalFailures"),
        consecutive_gateway_failure=_consecutive(detectors, "gatewayFailures"),
        consecutive_local_origin_failure=_consecutive(detectors, "localOriginFailures"),
        success_rate=_success_rate(detectors.get("successRate")),
        failure_percentage=_failure_percentage(detectors.get("failurePercentage")),
    )


def _consecutive(detectors: JsonObject, name: str) -> Consecutive | None:
    detector = detectors.get(name)
    return None if detector is None else Consecutive(detector.get("consecutive"))


def _success_rate(detector: JsonObject | None) -> SuccessRate | None:
    if detector is None:
        return None
    factor = detector.get("standardDeviationFactor")
    return SuccessRate(
        minimum_hosts=detector.get("minimumHosts"),
        request_volume=detector.get("requestVolume"),
        stdev_factor=None if factor is None else thousandths(factor),
    )


def _failure_percentage(detector: JsonObject | None) -> FailurePercentage | None:
    if detector is None:
        return None
    return FailurePercentage(detector.get("minimumHosts"), detector.get("requestVolume"), detector.get("threshold"))


def _ns(conf: JsonObject, field: str) -> int | None:
    value = conf.get(field)
    return None if value is None else parse_go(value)
