"""CircuitBreaker: limits on what clusters hold open, and ejection of endpoints that fail (`spec` §3.7)."""

from __future__ import annotations

from ursa.ir.cluster import Cluster, OutlierDetection, Thresholds
from ursa.model.duration import parse_proto
from ursa.model.json import JsonObject
from ursa.policies.core.outlier_detectors import consecutive, failure_percentage, success_rate
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
        consecutive_5xx=consecutive(detectors.get("totalErrors")),
        consecutive_gateway_failure=consecutive(detectors.get("gatewayErrors")),
        consecutive_local_origin_failure=consecutive(detectors.get("localErrors")),
        success_rate=success_rate(detectors.get("standardDeviation"), "factor"),
        failure_percentage=failure_percentage(detectors.get("failure")),
        local_origin_off=False,
    )


def _ns(conf: JsonObject, field: str) -> int | None:
    value = conf.get(field)
    return None if value is None else parse_proto(value)
