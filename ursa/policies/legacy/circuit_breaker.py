"""CircuitBreaker: limits on what clusters hold open, and ejection of endpoints that fail (`spec` §3.7)."""

from __future__ import annotations

from ursa.ir.cluster import Cluster, Consecutive, FailurePercentage, OutlierDetection, SuccessRate, Thresholds
from ursa.model.duration import parse_proto
from ursa.model.json import JsonObject
from ursa.policies.core.thousandths import thousandths
from ursa.policies.legacy.matching import ConnectionPolicy

KIND = "CircuitBreaker"


def break_circuits(cluster: Cluster, policy: ConnectionPolicy) -> None:
    """Writes the limits and detectors of the policy."""
    conf: JsonObject = policy.resource.spec.get("conf", {})
    limits: JsonObject = conf.get("thresholds", {})
    if limits:
        cluster.thresholds = Thresholds(
            max_connections=limits.get("maxConnections"),
            max_pending_requests=limits.get("maxPendingRequests"),
            max_requests=limits.get("maxRequests"),
            max_retries=limits.get("maxRetries"),
            track_remaining=False,
        )
    detectors: JsonObject = conf.get("detectors", {})
    cluster.outliers = OutlierDetection(
        interval=_ns(conf, "interval"),
        base_ejection_time=_ns(conf, "baseEjectionTime"),
        max_ejection_percent=conf.get("maxEjectionPercent"),
        split_errors=conf.get("splitExternalAndLocalErrors"),
        consecutive_5xx=_consecutive(detectors, "totalErrors"),
        consecutive_gateway_failure=_consecutive(detectors, "gatewayErrors"),
        consecutive_local_origin_failure=_consecutive(detectors, "localErrors"),
        success_rate=_success_rate(detectors.get("standardDeviation")),
        failure_percentage=_failure_percentage(detectors.get("failure")),
        local_origin_off=False,
    )


def _consecutive(detectors: JsonObject, name: str) -> Consecutive | None:
    detector = detectors.get(name)
    return None if detector is None else Consecutive(detector.get("consecutive"))


def _success_rate(detector: JsonObject | None) -> SuccessRate | None:
    if detector is None:
        return None
    factor = detector.get("factor")
    return SuccessRate(
        detector.get("minimumHosts"), detector.get("requestVolume"), None if factor is None else thousandths(factor)
    )


def _failure_percentage(detector: JsonObject | None) -> FailurePercentage | None:
    if detector is None:
        return None
    return FailurePercentage(detector.get("minimumHosts"), detector.get("requestVolume"), detector.get("threshold"))


def _ns(conf: JsonObject, field: str) -> int | None:
    value = conf.get(field)
    return None if value is None else parse_proto(value)
