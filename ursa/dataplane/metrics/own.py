"""What the launcher counts itself."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, Info, ProcessCollector, generate_latest

from ursa.dataplane.metrics.exposition import Family, read

PREFIX = "kuma_dp_envoyconfigfetcher_handler"


class OwnMetrics:
    """Counters under the names that Kuma's launcher uses, and those of the process."""

    def __init__(self, *, service: str, version: str) -> None:
        """Args: what the launcher says of itself."""
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.calls = Counter(
            f"{PREFIX}_call_count", "Answers to questions for dynamic configuration", ["path"], registry=self._registry
        )
        self.errors = Counter(
            f"{PREFIX}_error_count", "Dynamic configuration that made no sense", ["path"], registry=self._registry
        )
        self.durations = Histogram(
            f"{PREFIX}_call_duration_seconds", "How long answers took", ["path"], registry=self._registry
        )
        info = Info("target", "What made these metrics", registry=self._registry)
        info.info({"service_name": service, "service_version": version})

    def families(self) -> list[Family]:
        """All of them."""
        return read(generate_latest(self._registry).decode())
