"""What detects outliers, as both generations of circuit breakers say it; they differ in the names of the detectors."""

from __future__ import annotations

from ursa.ir.cluster import Consecutive, FailurePercentage, SuccessRate
from ursa.model.json import JsonObject
from ursa.policies.core.thousandths import thousandths


def consecutive(detector: JsonObject | None) -> Consecutive | None:
    """Failures in a row."""
    return None if detector is None else Consecutive(detector.get("consecutive"))


def success_rate(detector: JsonObject | None, factor: str) -> SuccessRate | None:
    """How far below the average an endpoint may be; `factor` names the field with the standard deviations."""
    if detector is None:
        return None
    deviations = detector.get(factor)
    return SuccessRate(
        minimum_hosts=detector.get("minimumHosts"),
        request_volume=detector.get("requestVolume"),
        stdev_factor=None if deviations is None else thousandths(deviations),
    )


def failure_percentage(detector: JsonObject | None) -> FailurePercentage | None:
    """What part of the requests may fail."""
    if detector is None:
        return None
    return FailurePercentage(detector.get("minimumHosts"), detector.get("requestVolume"), detector.get("threshold"))
