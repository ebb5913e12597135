"""Counters of sync streams under Kuma's names, read from the watermarks when somebody scrapes: idle costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kds.watermarks import Received, Sent


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


def quarantined_family(
    zones: Mapping[str, tuple[Mapping[str, Sent], Mapping[str, Received]]],
) -> GaugeMetricFamily:
    """Resources that one side does not take from the other: by zone what was sent and what was received."""
    family = GaugeMetricFamily(
        "ursa_kds_quarantined_resources",
        "resources held back: refused by the peer, refused here, or too large to be sent",
        labels=["zone", "reason", "type_url"],
    )
    for zone, (sent, received) in zones.items():
        for kind, mark in sorted(sent.items()):
            for reason, count in (("refused_by_peer", len(mark.refused)), ("too_large", len(mark.withheld))):
                if count:
                    family.add_metric([zone, reason, kind], count)
        for kind, taken in sorted(received.items()):
            if taken.quarantined:
                family.add_metric([zone, "refused_here", kind], len(taken.quarantined))
    return family
