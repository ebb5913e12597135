"""Puts together what a proxy shows: Envoy's metrics, those of applications, and the launcher's own.

There are two ways. A Mesh says at the start which applications there are, and their answers are put together as they
are. A MeshMetric may change while the proxy runs, says what is shown of Envoy, and has every sample labelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ursa.dataplane.metrics.config import Application, MetricsConfig
from ursa.dataplane.metrics.envoy import prepared
from ursa.dataplane.metrics.exposition import TEXT, Family, Sample, read, with_labels, write
from ursa.dataplane.metrics.own import OwnMetrics
from ursa.dataplane.metrics.sources import Scraped, Sources

_PREFERRED = (
    ("openmetrics", "version=1.0.0", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ("openmetrics", "", "application/openmetrics-text; version=0.0.1; charset=utf-8"),
)
_END = "# EOF"


class Gatherer:
    """Gathers the metrics of one proxy."""

    def __init__(self, sources: Sources, own: OwnMetrics, *, aggregated: Sequence[Application]) -> None:
        """Args: aggregated: the applications that the Mesh names."""
        self._sources, self._own, self._aggregated = sources, own, aggregated
        self.config = MetricsConfig()
        """What MeshMetrics say at present."""

    async def of_mesh(self, query: str, headers: Mapping[str, str]) -> Scraped:
        """What a Mesh wants shown; `query` is what it wants to see of Envoy."""
        envoy, applications = await asyncio.gather(
            self._sources.envoy(query, headers), self._sources.applications(self._aggregated, headers)
        )
        own = [] if envoy is None else [Scraped(write(prepared(read(envoy.text))), envoy.content_type)]
        return joined([*own, *applications])

    async def of_mesh_metric(self, headers: Mapping[str, str]) -> Scraped:
        """What MeshMetrics want shown, as text."""
        return Scraped(write(unique(await self.families(headers))), TEXT)

    async def families(self, headers: Mapping[str, str]) -> list[Family]:
        """What MeshMetrics want shown or sent."""
        config = self.config
        query = "" if config.profile.include_unused else "usedonly"
        envoy, applications = await asyncio.gather(
            self._sources.envoy(query, headers), self._sources.applications(config.applications, headers)
        )
        found = [] if envoy is None else config.profile.apply(prepared(read(envoy.text)))
        for answer in applications:
            found += read(answer.text, answer.content_type)
        return [_labelled(family, dict(config.labels)) for family in (*found, *self._own.families())]


def _labelled(family: Family, labels: Mapping[str, str]) -> Family:
    samples = [one._replace(labels=with_labels(one.labels, labels)) for one in family.samples]
    return Family(family.name, family.type, family.help, samples)


def unique(families: Iterable[Family]) -> Iterator[Family]:
    """Families of one name as one, as readers want them; of equal samples the first counts."""
    found: dict[str, Family] = {}
    for family in families:
        known = found.setdefault(family.name, Family(family.name, family.type, family.help))
        known.samples += family.samples
    for family in found.values():
        samples: dict[tuple[str, str], Sample] = {}
        for sample in family.samples:
            samples.setdefault((sample.name, sample.labels), sample)
        yield Family(family.name, family.type, family.help, list(samples.values()))


def joined(answers: Sequence[Scraped]) -> Scraped:
    """Answers as one, in the richest of their formats."""
    content_type = _content_type(answers)
    lines = [line for answer in answers for line in answer.text.splitlines() if line and line != _END]
    if "openmetrics" in content_type:
        lines.append(_END)
    return Scraped("".join(f"{line}\n" for line in lines), content_type)


def _content_type(answers: Sequence[Scraped]) -> str:
    for format_name, version, content_type in _PREFERRED:
        if any(format_name in a.content_type and version in a.content_type for a in answers):
            return content_type
    return TEXT
