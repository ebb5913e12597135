"""Names, types, quantiles and the text format are Kuma's, not those of the library."""

from __future__ import annotations

import math

from prometheus_client import CollectorRegistry, Counter, Gauge

from tests.unit.kds.test_membership import ManualClock
from ursa.runtime.telemetry import OF_LATE, Count, Summary, exposition


def text(registry: CollectorRegistry) -> list[str]:
    return exposition(registry.collect(), "east").decode().splitlines()


def test_counters_have_the_name_they_are_given() -> None:
    registry = CollectorRegistry()
    Count("seen", "Seen", ["kind"], registry=registry).add('a"b\\\n', amount=2)
    Counter("ours", "Ours", registry=registry).inc()
    assert text(registry) == [
        "# HELP seen Seen",
        "# TYPE seen counter",
        'seen{kind="a\\"b\\\\\\n",zone="east"} 2.0',
        "# HELP ours_total Ours",
        "# TYPE ours_total counter",
        'ours_total{zone="east"} 1.0',
    ]


def test_a_series_about_another_zone_keeps_that() -> None:
    registry = CollectorRegistry()
    Gauge("lag", "Lag", ["zone"], registry=registry).labels("west").set(math.inf)
    assert text(registry)[-1] == 'lag{zone="west"} +Inf'


async def test_quantiles_are_milliseconds_of_late() -> None:
    clock, registry = ManualClock(), CollectorRegistry()
    summary = Summary("took", "Took", clock, registry=registry)
    assert 'took{quantile="0.5",zone="east"} NaN' in text(registry)
    for number in range(1, 101):
        summary.observe(number / 1000)
    assert text(registry)[2:] == [
        'took{quantile="0.5",zone="east"} 51.0',
        'took{quantile="0.9",zone="east"} 91.0',
        'took{quantile="0.99",zone="east"} 100.0',
        'took_sum{zone="east"} 5050.0',
        'took_count{zone="east"} 100.0',
    ]
    await clock.advance(OF_LATE + 1)
    with summary.timed():
        await clock.advance(0.25)
    assert 'took{quantile="0.5",zone="east"} 250.0' in text(registry)
    assert 'took_count{zone="east"} 101.0' in text(registry)
