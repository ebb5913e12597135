"""Spans that a proxy reports, and to whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Zipkin:
    """A collector that speaks Zipkin's protocol; `version` in Envoy's terms.

    `split_spans` keeps the spans of both ends of a request apart.
    """

    cluster: str
    path: str
    hostname: str
    version: str = "HTTP_JSON"
    long_ids: bool = False
    shared_context: bool | None = None
    split_spans: bool = False


@dataclass(frozen=True, slots=True)
class Datadog:
    """An agent of Datadog."""

    cluster: str
    service: str


@dataclass(frozen=True, slots=True)
class OpenTelemetry:
    """A collector of OpenTelemetry."""

    cluster: str
    service: str


@dataclass(frozen=True, slots=True)
class SpanTag:
    """Something said in every span: `value`, or what a header says and `value` without it."""

    name: str
    value: str
    header: str = ""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How many requests are traced, in per cent, of those that clients force, of all others, and at most."""

    client: float | None = None
    random: float | None = None
    overall: float | None = None


Provider: TypeAlias = Zipkin | Datadog | OpenTelemetry


@dataclass(frozen=True, slots=True)
class Tracing:
    """Spans of one HTTP connection manager; `upstream_spans` gives each request to another proxy one of its own."""

    provider: Provider
    sampling: Sampling = Sampling()
    tags: tuple[SpanTag, ...] = ()
    upstream_spans: bool = False
