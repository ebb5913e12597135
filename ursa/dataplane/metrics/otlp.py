"""Families as OpenTelemetry's messages.

The messages come with those of Envoy, under the names of before version 1.0, in which a scope was an instrumentation
library; on the wire both are the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationLibrary, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from ursa.dataplane.metrics.exposition import COUNTER, HISTOGRAM, SUMMARY, Family, Sample, labels_of

SCOPE = "kuma"

_ESCAPED = re.compile(r'\\(\\|"|n)')
_BOUND = re.compile(r'(?:^|,)(?:le|quantile)="([^"]*)"')


def request(
    families: Iterable[Family], resource: Mapping[str, str], *, version: str, started: int, now: int
) -> ExportMetricsServiceRequest:
    """What is sent to a collector.

    Args:
        families: what there is.
        resource: attributes of what they belong to.
        version: of the product.
        started: since when counters count, nanoseconds since the epoch.
        now: nanoseconds since the epoch.
    """
    scope = pb.InstrumentationLibraryMetrics(
        instrumentation_library=InstrumentationLibrary(name=SCOPE, version=version),
        metrics=[_metric(family, started, now) for family in families],
    )
    whole = pb.ResourceMetrics(
        resource=Resource(attributes=_attributes(resource)), instrumentation_library_metrics=[scope]
    )
    return ExportMetricsServiceRequest(resource_metrics=[whole])


def _metric(family: Family, started: int, now: int) -> pb.Metric:
    metric = pb.Metric(name=family.name, description=family.help)
    if family.type == HISTOGRAM:
        metric.histogram.aggregation_temporality = pb.AGGREGATION_TEMPORALITY_CUMULATIVE
        metric.histogram.data_points.extend(_histograms(family, started, now))
    elif family.type == SUMMARY:
        metric.summary.data_points.extend(_summaries(family, started, now))
    elif family.type == COUNTER:
        metric.sum.aggregation_temporality = pb.AGGREGATION_TEMPORALITY_CUMULATIVE
        metric.sum.is_monotonic = True
        metric.sum.data_points.extend(_number(sample, started, now) for sample in family.samples)
    else:
        metric.gauge.data_points.extend(_number(sample, 0, now) for sample in family.samples)
    return metric


def _number(sample: Sample, started: int, now: int) -> pb.NumberDataPoint:
    return pb.NumberDataPoint(
        attributes=_attributes(_unescaped(sample.labels)),
        start_time_unix_nano=started,
        time_unix_nano=_time(sample, now),
        as_double=float(sample.value),
    )


def _grouped(family: Family) -> Iterator[tuple[dict[str, str], dict[str, float], list[tuple[float, float]], Sample]]:
    """Per set of labels: those, sum and count, bounds or quantiles with their values, and one of the samples."""
    groups: dict[str, tuple[dict[str, float], list[tuple[float, float]], Sample]] = {}
    for sample in family.samples:
        bound = _BOUND.search(sample.labels)
        key = _BOUND.sub("", sample.labels).strip(",")
        totals, parts, _ = groups.setdefault(key, ({}, [], sample))
        if bound is not None:
            parts.append((float(bound.group(1)), float(sample.value)))
        else:
            totals[sample.name.removeprefix(family.name)] = float(sample.value)
    for key, (totals, parts, first) in groups.items():
        yield _unescaped(key), totals, sorted(parts), first


def _histograms(family: Family, started: int, now: int) -> Iterator[pb.HistogramDataPoint]:
    for labels, totals, buckets, first in _grouped(family):
        bounds = [bound for bound, _ in buckets if not math.isinf(bound)]
        reached = [0.0, *(count for _, count in buckets)]
        counts = [int(after - before) for before, after in pairwise(reached)]
        if len(bounds) == len(buckets):
            counts.append(int(totals.get("_count", reached[-1]) - reached[-1]))
        yield pb.HistogramDataPoint(
            attributes=_attributes(labels),
            start_time_unix_nano=started,
            time_unix_nano=_time(first, now),
            count=int(totals.get("_count", reached[-1])),
            sum=totals.get("_sum", 0.0),
            explicit_bounds=bounds,
            bucket_counts=counts,
        )


def _summaries(family: Family, started: int, now: int) -> Iterator[pb.SummaryDataPoint]:
    for labels, totals, quantiles, first in _grouped(family):
        yield pb.SummaryDataPoint(
            attributes=_attributes(labels),
            start_time_unix_nano=started,
            time_unix_nano=_time(first, now),
            count=int(totals.get("_count", 0)),
            sum=totals.get("_sum", 0.0),
            quantile_values=[pb.SummaryDataPoint.ValueAtQuantile(quantile=q, value=value) for q, value in quantiles],
        )


def _time(sample: Sample, now: int) -> int:
    return int(sample.timestamp) * 1_000_000 if sample.timestamp else now


def _attributes(values: Mapping[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in values.items()]


def _unescaped(labels: str) -> dict[str, str]:
    return {
        key: _ESCAPED.sub(lambda match: {"n": "\n"}.get(match.group(1), match.group(1)), value)
        for key, value in labels_of(labels).items()
    }
