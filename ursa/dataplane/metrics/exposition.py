"""Metrics as text: Prometheus' format and OpenMetrics, read into families and written again.

Envoy has tens of thousands of samples, so labels stay the text they are; only what is asked about is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

TEXT = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
COUNTER, GAUGE, HISTOGRAM, SUMMARY, UNTYPED = "counter", "gauge", "histogram", "summary", "untyped"

_SUFFIXES: Mapping[str, tuple[str, ...]] = {
    HISTOGRAM: ("_bucket", "_sum", "_count"),
    SUMMARY: ("_sum", "_count"),
    COUNTER: ("_total",),
    "info": ("_info",),
    "gaugehistogram": ("_bucket", "_gsum", "_gcount"),
}
_AS_TEXT = {"unknown": UNTYPED, "info": GAUGE, "stateset": GAUGE, "gaugehistogram": UNTYPED}
"""Types that only OpenMetrics knows, by what the text format can say instead."""

_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}


class Sample(NamedTuple):
    """One line.

    Attributes:
        labels: what stands between the braces.
        timestamp: milliseconds since the epoch as text, empty for now.
    """

    name: str
    labels: str
    value: str
    timestamp: str = ""


@dataclass(slots=True)
class Family:
    """All samples of one metric."""

    name: str
    type: str = UNTYPED
    help: str = ""
    samples: list[Sample] = field(default_factory=list)

    def has(self, sample: str) -> bool:
        """Whether a sample of this name belongs to it."""
        if sample == self.name:
            return True
        return sample.startswith(self.name) and sample[len(self.name) :] in _SUFFIXES.get(self.type, ())


def read(text: str, content_type: str = "") -> list[Family]:
    """The families in an answer; lines that make no sense are left out."""
    reader = _Reader(open_metrics="openmetrics" in content_type)
    for line in text.splitlines():
        if line.startswith("#"):
            reader.comment(line)
        elif line:
            reader.sample(line)
    return [family for family in reader.families if family.samples]


class _Reader:
    """Families so far, and the one that lines belong to."""

    def __init__(self, *, open_metrics: bool) -> None:
        self.families: list[Family] = []
        self._open_metrics = open_metrics
        self._current: Family | None = None

    def comment(self, line: str) -> None:
        parts = line.split(" ", 3)
        if len(parts) < 4 or parts[0] != "#" or parts[1] not in ("TYPE", "HELP"):
            return
        if self._current is None or self._current.name != parts[2] or self._current.samples:
            self._current = Family(parts[2])
            self.families.append(self._current)
        if parts[1] == "TYPE":
            self._current.type = parts[3].strip()
        else:
            self._current.help = parts[3]

    def sample(self, line: str) -> None:
        found = _sample(line, open_metrics=self._open_metrics)
        if found is None:
            return
        if self._current is None or not self._current.has(found.name):
            self._current = Family(found.name)
            self.families.append(self._current)
        self._current.samples.append(found)


def _sample(line: str, *, open_metrics: bool) -> Sample | None:
    name, _, rest = line.partition(" ")
    labels = ""
    if (start := line.find("{")) >= 0:
        end = _closing(line, start)
        if end < 0:
            return None
        name, labels, rest = line[:start].strip(), line[start + 1 : end], line[end + 1 :]
    if open_metrics:
        rest = rest.partition(" # ")[0]  # what follows is an example
    values = rest.split()
    try:
        float(values[0])
        stamp = values[1] if len(values) > 1 else ""
        if stamp and open_metrics:
            stamp = str(int(float(stamp) * 1000))
    except (IndexError, ValueError):
        return None
    return Sample(name, labels.strip().rstrip(","), values[0], stamp)


def _closing(line: str, start: int) -> int:
    """Where the braces that are opened at `start` close, -1 if they do not."""
    position = start + 1
    while match := _LABEL.match(line, position):
        position = match.end()
        while position < len(line) and line[position] in ", ":
            position += 1
    return position if line[position : position + 1] == "}" else -1


def write(families: Iterable[Family]) -> str:
    """Prometheus' text format."""
    return "".join(piece for family in families for piece in _written(family))


def _written(family: Family) -> Iterator[str]:
    name = family.samples[0].name if family.type in (COUNTER, "info") else family.name
    if family.help:
        yield f"# HELP {name} {family.help}\n"
    yield f"# TYPE {name} {_AS_TEXT.get(family.type, family.type)}\n"
    for sample in family.samples:
        labels = f"{{{sample.labels}}}" if sample.labels else ""
        stamp = f" {sample.timestamp}" if sample.timestamp else ""
        yield f"{sample.name}{labels} {sample.value}{stamp}\n"


def labels_of(text: str) -> dict[str, str]:
    """Labels by name, as they are escaped."""
    return dict(_LABEL.findall(text))


def label(text: str, name: str) -> str | None:
    """One label, as it is escaped; None when it is not there."""
    return labels_of(text).get(name) if f'{name}="' in text else None


def with_labels(text: str, more: Mapping[str, str]) -> str:
    """Labels with some more; those that are there already stay."""
    present = labels_of(text) if any(f'{name}="' in text for name in more) else {}
    added = [f'{name}="{_escaped(value)}"' for name, value in more.items() if name not in present]
    return ",".join([text, *added] if text else added)


def _escaped(value: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in value)
