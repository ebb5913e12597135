"""What the launcher counts itself."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram, Info, ProcessCollector

from ursa.dataplane.metrics.exposition import Family, Sample, with_labels
from ursa.runtime.telemetry import Count

PREFIX = "kuma_dp_envoyconfigfetcher_handler"
LABELS = ("path",)


class OwnMetrics:
    """Counters under the names that Kuma's launcher uses, and those of the process."""

    def __init__(self, *, service: str, version: str) -> None:
        """Args: what the launcher says of itself."""
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.calls = Count(
            f"{PREFIX}_call_count", "Answers to questions for dynamic configuration", LABELS, registry=registry
        )
        self.errors = Count(
            f"{PREFIX}_error_count", "Dynamic configuration that made no sense", LABELS, registry=registry
        )
        self.durations = Histogram(
            f"{PREFIX}_call_duration_seconds", "How long answers took", LABELS, registry=registry
        )
        info = Info("target", "What made these metrics", registry=registry)
        info.info({"service_name": service, "service_version": version})

    def families(self) -> list[Family]:
        """All of them."""
        found = []
        for metric in self._registry.collect():
            samples = [
                Sample(sample.name, with_labels("", sample.labels), repr(sample.value))
                for sample in metric.samples
                if not sample.name.endswith("_created")
            ]
            if samples:
                found.append(Family(metric.name, metric.type, metric.documentation, samples))
        return found
