"""What a MeshMetric tells the launcher, as it comes by the dynamic configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from ursa.dataplane.metrics.profiles import Profile
from ursa.errors import BadRequest
from ursa.model.duration import parse_go

PATH = "/meshmetric"
DEFAULT_PATH = "/metrics"
SECOND = 1_000_000_000
REFRESH = 60.0


@dataclass(frozen=True, slots=True)
class Application:
    """Something beside the proxy that shows metrics; without an address it is at the proxy's own."""

    name: str
    address: str
    port: int
    path: str = DEFAULT_PATH


@dataclass(frozen=True, slots=True)
class Collector:
    """Where metrics are sent: a socket behind which Envoy knows the way, and how often in seconds."""

    name: str
    socket: str
    every: float = REFRESH


@dataclass(frozen=True, slots=True)
class MetricsConfig:
    """Everything a MeshMetric says."""

    applications: tuple[Application, ...] = ()
    collectors: tuple[Collector, ...] = ()
    profile: Profile = field(default_factory=Profile)
    labels: tuple[tuple[str, str], ...] = ()


def parse(body: bytes) -> MetricsConfig:
    """Reads the document.

    Raises:
        BadRequest: it is none.
    """
    try:
        metrics = orjson.loads(body)["observability"]["metrics"]
        return MetricsConfig(
            tuple(map(application, metrics.get("applications") or ())),
            tuple(_collector(one) for one in metrics.get("backends") or () if one.get("type") == "OpenTelemetry"),
            Profile.of(metrics.get("sidecar") or {}),
            tuple((metrics.get("extraLabels") or {}).items()),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRequest(f"not a configuration of metrics: {error}") from error


def application(entry: Mapping[str, Any]) -> Application:
    """One application, here or in the answer to the bootstrap request."""
    return Application(
        str(entry.get("name") or ""),
        str(entry.get("address") or ""),
        int(entry["port"]),
        str(entry.get("path") or DEFAULT_PATH),
    )


def _collector(entry: Mapping[str, Any]) -> Collector:
    sent = entry["openTelemetry"]
    every = parse_go(sent["refreshInterval"]) / SECOND if sent.get("refreshInterval") else REFRESH
    return Collector(str(entry.get("name") or ""), str(sent["endpoint"]), every)
