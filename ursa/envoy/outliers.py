"""Outlier detection: a detector that is not configured is switched off explicitly, because Envoy's default is on."""

from __future__ import annotations

from ursa.envoy.values import Fields, optional_duration, optional_wrapped, present, wrapped
from ursa.ir.cluster import Consecutive, OutlierDetection


def outlier_detection(of: OutlierDetection) -> Fields:
    """`envoy.config.cluster.v3.OutlierDetection`."""
    rate, failures = of.success_rate, of.failure_percentage
    fields = present(
        interval=optional_duration(of.interval),
        base_ejection_time=optional_duration(of.base_ejection_time),
        max_ejection_percent=optional_wrapped(of.max_ejection_percent),
        split_external_local_origin_errors=of.split_errors,
        consecutive_5xx=_count(of.consecutive_5xx),
        consecutive_gateway_failure=_count(of.consecutive_gateway_failure),
        consecutive_local_origin_failure=_count(of.consecutive_local_origin_failure),
        enforcing_consecutive_5xx=_enforcing(of.consecutive_5xx),
        enforcing_consecutive_gateway_failure=_enforcing(of.consecutive_gateway_failure),
        enforcing_consecutive_local_origin_failure=_enforcing(of.consecutive_local_origin_failure),
        enforcing_success_rate=_enforcing(rate),
        enforcing_failure_percentage=_enforcing(failures),
    )
    if rate is not None or of.local_origin_off:
        fields["enforcing_local_origin_success_rate"] = _enforcing(rate)
    if failures is not None or of.local_origin_off:
        fields["enforcing_failure_percentage_local_origin"] = _enforcing(failures)
    if rate is not None:
        fields |= present(
            success_rate_minimum_hosts=optional_wrapped(rate.minimum_hosts),
            success_rate_request_volume=optional_wrapped(rate.request_volume),
            success_rate_stdev_factor=optional_wrapped(rate.stdev_factor),
        )
    if failures is not None:
        fields |= present(
            failure_percentage_minimum_hosts=optional_wrapped(failures.minimum_hosts),
            failure_percentage_request_volume=optional_wrapped(failures.request_volume),
            failure_percentage_threshold=optional_wrapped(failures.threshold),
        )
    return fields


def _count(detector: Consecutive | None) -> Fields | None:
    return None if detector is None else optional_wrapped(detector.count)


def _enforcing(detector: object) -> Fields:
    return wrapped(0 if detector is None else 100)
