"""Counters of sync streams under Kuma's names, read from the watermarks when somebody scrapes: idle costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kds.watermarks import Sent


class SyncCollector(Collector):
    """Sums over all streams."""

    def __init__(self, streams: Callable[[], Iterable[Mapping[str, Sent]]], active: Callable[[], int]) -> None:
        """Args: `streams` gives the watermarks of every stream there was, `active` the number of open ones."""
        self._streams, self._active = streams, active

    def collect(self) -> Iterator[Metric]:
        """See `prometheus_client`."""
        streams = [dict(marks) for marks in self._streams()]
        sent = CounterMetricFamily("kds_delta_responses_sent", "responses sent", labels=["type_url"])
        answers = CounterMetricFamily(
            "kds_delta_requests_received", "answers received", labels=["type_url", "confirmation"]
        )
        for kind in sorted({kind for marks in streams for kind in marks}):
            marks = [stream[kind] for stream in streams if kind in stream]
            sent.add_metric([kind], sum(mark.sent for mark in marks))
            answers.add_metric([kind, "ACK"], sum(mark.acknowledged for mark in marks))
            answers.add_metric([kind, "NACK"], sum(mark.rejected for mark in marks))
        yield sent
        yield answers
        yield GaugeMetricFamily("kds_delta_streams_active", "streams that are open", value=self._active())
