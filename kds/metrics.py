"""What sync streams of a control plane do, under Kuma's names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kds.watermarks import Received, Sent
from ursa.runtime.clock import Clock
from ursa.runtime.telemetry import SECONDS, SIZES, Count, Summary

WEBHOOK = "failed calling webhook"
"""In a refusal that an admission webhook of the peer is to blame for."""


class SyncObserver:
    """Is told what happens on sync streams; by itself it does nothing with that."""

    def now(self) -> float:
        """Seconds on the clock that `offered` is measured with."""
        return 0.0

    def sent(self, kind: str, size: int) -> None:
        """A response of so many bytes left."""

    def answered(self, kind: str, error: str | None, seconds: float) -> None:
        """A response was acknowledged, or refused with an error, after so many seconds."""

    def offered(self, seconds: float, *, first: bool, changed: bool) -> None:
        """A step of the view was turned into offers, the first one as a whole."""

    def unsendable(self) -> None:
        """A resource could not be turned into an offer."""

    def applied(self, seconds: float) -> None:
        """A response was written to the store."""


class SyncMetrics(SyncObserver):
    """Sums over all streams there were."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._clock = clock

        def count(name: str, text: str, *labels: str) -> Count:
            return Count(f"kds_delta_{name}", text, labels, registry=registry)

        self._sent = count("responses_sent", "Responses sent", "type_url")
        self._answers = count(
            "requests_received", "Answers to responses received", "type_url", "confirmation", "error_type"
        )
        self._errors = count("generation_errors", "Resources that could not be turned into what is sent")
        self._bytes = Histogram(
            "kds_delta_responses_sent_bytes", "Size of responses", ["type_url"], buckets=SIZES, registry=registry
        )
        self._applied = Histogram(
            "kds_resources_sync", "Writing a response to the store", buckets=SECONDS, registry=registry
        )
        self._delivery = Summary("kds_delta_delivery", "From a response to its answer", clock, registry=registry)
        self._generation = Summary(
            "kds_delta_generation",
            "Turning changes into what is sent",
            clock,
            ("reason", "result"),
            registry=registry,
        )

    def now(self) -> float:
        """See `SyncObserver`."""
        return self._clock.monotonic()

    def sent(self, kind: str, size: int) -> None:
        """See `SyncObserver`."""
        self._sent.add(kind)
        self._bytes.labels(kind).observe(size)

    def answered(self, kind: str, error: str | None, seconds: float) -> None:
        """See `SyncObserver`."""
        fault = "no_error" if error is None else "user" if WEBHOOK in error else "other"
        self._answers.add(kind, "ACK" if error is None else "NACK", fault)
        self._delivery.observe(seconds)

    def offered(self, seconds: float, *, first: bool, changed: bool) -> None:
        """See `SyncObserver`."""
        self._generation.observe(seconds, "resync" if first else "event", "changed" if changed else "no_changes")

    def unsendable(self) -> None:
        """See `SyncObserver`."""
        self._errors.add()

    def applied(self, seconds: float) -> None:
        """See `SyncObserver`."""
        self._applied.observe(seconds)


class StreamsCollector(Collector):
    """Streams that zones have opened here; on a zone, which opens them itself, there are none."""

    def __init__(self, versions: Callable[[], Iterable[str]] = tuple) -> None:
        """Args: `versions` gives the version of every connected zone."""
        self._versions = versions

    def collect(self) -> Iterator[Metric]:
        """See `prometheus_client`."""
        versions = list(self._versions())
        yield GaugeMetricFamily("kds_delta_streams_active", "Streams that are open", value=len(versions))
        connected = GaugeMetricFamily(
            "kds_delta_client_versions", "Connected zones by version", labels=["client_version"]
        )
        for version in sorted(set(versions)):
            connected.add_metric([version], versions.count(version))
        yield connected


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
