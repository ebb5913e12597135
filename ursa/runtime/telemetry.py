"""Metrics as Kuma's dashboards and alerts expect them, where the Prometheus library for Python is of another opinion.

It ends the names of all counters in `_total` and gives summaries no quantiles. Here a counter has the name it is given,
and a summary the quantiles of what was seen of late. Every series says of which zone it tells.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from ursa.runtime.clock import Clock

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the buckets of durations."""

SIZES = tuple(1024.0 * 2**n for n in range(16))
"""Upper ends of the buckets of bytes."""

QUANTILES = (0.5, 0.9, 0.99)
REMEMBERED, OF_LATE = 500, 600.0
"""How many values, and of how many seconds, quantiles are of."""

ZONE = "zone"


class Count(Collector):
    """A counter under exactly this name."""

    def __init__(self, name: str, text: str, labels: Sequence[str] = (), *, registry: CollectorRegistry) -> None:
        self._name, self._text, self._labels = name, text, tuple(labels)
        self._values: dict[tuple[str, ...], float] = {} if labels else {(): 0.0}
        registry.register(self)

    def add(self, *values: str, amount: float = 1) -> None:
        """Counts one more, or some, for these values of the labels."""
        self._values[values] = self._values.get(values, 0.0) + amount

    def collect(self) -> Iterator[Metric]:
        """See `prometheus_client`."""
        metric = Metric(self._name, self._text, "counter")
        for values, count in sorted(self._values.items()):
            metric.add_sample(self._name, dict(zip(self._labels, values, strict=True)), count)
        yield metric


class _Seen:
    """What a summary has seen for one set of labels."""

    def __init__(self) -> None:
        self.count, self.sum = 0, 0.0
        self.late: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)

    def quantiles(self, now: float) -> Iterator[tuple[float, float]]:
        ordered = sorted(value for at, value in self.late if now - at <= OF_LATE)
        for quantile in QUANTILES:
            place = min(len(ordered) - 1, int(quantile * len(ordered)))
            yield quantile, ordered[place] if ordered else float("nan")


class Summary(Collector):
    """Durations in milliseconds, with quantiles."""

    def __init__(
        self, name: str, text: str, clock: Clock, labels: Sequence[str] = (), *, registry: CollectorRegistry
    ) -> None:
        self._name, self._text, self._clock, self._labels = name, text, clock, tuple(labels)
        self._seen: dict[tuple[str, ...], _Seen] = {} if labels else {(): _Seen()}
        registry.register(self)

    def observe(self, seconds: float, *values: str) -> None:
        """Something took that long."""
        seen = self._seen.setdefault(values, _Seen())
        seen.count += 1
        seen.sum += seconds * 1000
        seen.late.append((self._clock.monotonic(), seconds * 1000))

    @contextmanager
    def timed(self, *values: str) -> Iterator[None]:
        """Observes how long a block takes."""
        started = self._clock.monotonic()
        try:
            yield
        finally:
            self.observe(self._clock.monotonic() - started, *values)

    def collect(self) -> Iterator[Metric]:
        """See `prometheus_client`."""
        metric, now = Metric(self._name, self._text, "summary"), self._clock.monotonic()
        for values, seen in sorted(self._seen.items()):
            labels = dict(zip(self._labels, values, strict=True))
            for quantile, value in seen.quantiles(now):
                metric.add_sample(self._name, {**labels, "quantile": str(quantile)}, value)
            metric.add_sample(f"{self._name}_sum", labels, seen.sum)
            metric.add_sample(f"{self._name}_count", labels, seen.count)
        yield metric


def component(name: str, clock: Clock, registry: CollectorRegistry | None) -> Summary:
    """How long the rounds of a component take that works in the background; without a registry nobody sees it."""
    return Summary(
        f"component_{name}", "Rounds of a background component", clock, registry=registry or CollectorRegistry()
    )


def exposition(metrics: Iterable[Metric], zone: str) -> bytes:
    """The text format, with the zone of this control plane on every series that is not about another one."""
    lines: list[str] = []
    for metric in metrics:
        samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
        name = metric.name
        if metric.type == "counter" and any(sample.name == f"{name}_total" for sample in samples):
            name = f"{name}_total"
        kind = "untyped" if metric.type == "unknown" else "gauge" if metric.type == "info" else metric.type
        lines.append(f"# HELP {name} {_escaped(metric.documentation)}")
        lines.append(f"# TYPE {name} {kind}")
        lines += [_line(sample, zone) for sample in samples]
    return ("\n".join(lines) + "\n").encode()


def _line(sample: Sample, zone: str) -> str:
    labels: Mapping[str, str] = {ZONE: zone, **sample.labels}
    shown = ",".join(f'{name}="{_escaped(value, quote=True)}"' for name, value in sorted(labels.items()))
    return f"{sample.name}{{{shown}}} {_number(sample.value)}"


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return repr(float(value)) if math.isfinite(value) else "+Inf" if value > 0 else "-Inf"


def _escaped(text: str, *, quote: bool = False) -> str:
    text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quote else text
