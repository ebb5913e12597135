"""A Mesh, typed: identity, routing and what else decides how proxies are configured."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ursa.model.json import JsonObject
from ursa.model.resource import Resource

DAY = 86_400_000_000_000
ALL = 100.0
"""Per cent of the requests that are traced where it is not said."""

_UNITS = {"y": 365 * DAY, "w": 7 * DAY, "d": DAY, "h": DAY // 24, "m": DAY // 1440, "s": 10**9, "ms": 10**6}
_EXPIRATION = re.compile(r"(\d+)(ms|[ywdhms])")


@dataclass(frozen=True, slots=True)
class CaBackend:
    """A certificate authority that a mesh may use."""

    name: str
    type: str
    permissive: bool
    expiration: int
    """Life of workload certificates, nanoseconds."""
    conf: JsonObject


@dataclass(frozen=True, slots=True)
class LogBackend:
    """Where lines go: a file, or, with an address, a collector that takes them over TCP; the format may be empty."""

    name: str
    format: str
    path: str
    address: str


@dataclass(frozen=True, slots=True)
class TraceBackend:
    """Where spans go; `sampling` in per cent."""

    name: str
    type: str
    sampling: float
    conf: JsonObject


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """What the planner needs to know of a mesh. Compared by identity: one object per stored version."""

    name: str
    backend: CaBackend | None
    locality_aware: bool
    zone_egress: bool
    forbids_external: bool
    """Whether nobody may use MeshExternalServices."""
    passthrough: bool
    mesh_services: str
    skip_initial_policies: tuple[str, ...]
    log_backends: tuple[LogBackend, ...] = ()
    default_log_backend: str = ""
    trace_backends: tuple[TraceBackend, ...] = ()
    default_trace_backend: str = ""
    metrics: JsonObject | None = None
    """Conf of the backend for metrics that is enabled."""

    def log_backend(self, name: str) -> LogBackend | None:
        """The backend for logs of this name, without a name the one for all that say none."""
        wanted = name or self.default_log_backend
        return next((backend for backend in self.log_backends if backend.name == wanted), None)

    def trace_backend(self, name: str) -> TraceBackend | None:
        """The backend for spans of this name, without a name the one for all that say none."""
        wanted = name or self.default_trace_backend
        return next((backend for backend in self.trace_backends if backend.name == wanted), None)

    @property
    def mtls(self) -> bool:
        """Whether mTLS is enabled."""
        return self.backend is not None

    @property
    def exclusive(self) -> bool:
        """Whether only real MeshServices exist."""
        return self.mesh_services == "Exclusive"


def parse_expiration(text: str, default: int = DAY) -> int:
    """Nanoseconds of a life such as `30d` or `24h`; units y w d h m s ms. Raises ValueError."""
    if not text:
        return default
    parts = _EXPIRATION.findall(text)
    if "".join(n + u for n, u in parts) != text:
        raise ValueError(f"invalid duration {text!r}")
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def backends(spec: JsonObject) -> tuple[CaBackend, ...]:
    """All certificate authorities a mesh declares."""
    return tuple(
        CaBackend(
            name=b.get("name", ""),
            type=b.get("type", ""),
            permissive=b.get("mode") == "PERMISSIVE",
            expiration=parse_expiration(b.get("dpCert", {}).get("rotation", {}).get("expiration", "")),
            conf=b.get("conf", {}),
        )
        for b in spec.get("mtls", {}).get("backends", ())
    )


def log_backends(spec: JsonObject) -> tuple[LogBackend, ...]:
    """All backends for logs that a mesh declares."""
    return tuple(
        LogBackend(b.get("name", ""), b.get("format", ""), conf.get("path", ""), conf.get("address", ""))
        for b in spec.get("logging", {}).get("backends", ())
        for conf in (b.get("conf", {}),)
    )


def trace_backends(spec: JsonObject) -> tuple[TraceBackend, ...]:
    """All backends for spans that a mesh declares."""
    return tuple(
        TraceBackend(b.get("name", ""), b.get("type", ""), float(b.get("sampling", ALL)), b.get("conf", {}))
        for b in spec.get("tracing", {}).get("backends", ())
    )


def enabled_metrics(spec: JsonObject) -> JsonObject | None:
    """The conf of the backend for metrics that a mesh enables, if any."""
    metrics: JsonObject = spec.get("metrics", {})
    enabled = metrics.get("enabledBackend")
    declared: Iterable[JsonObject] = metrics.get("backends", ()) if enabled else ()
    return next((b.get("conf", {}) for b in declared if b.get("name") == enabled), None)


def parse_mesh(resource: Resource) -> Mesh:
    """The Mesh in a resource."""
    spec = resource.spec
    enabled = spec.get("mtls", {}).get("enabledBackend", "")
    routing = spec.get("routing", {})
    return Mesh(
        name=resource.name,
        backend=next((b for b in backends(spec) if enabled and b.name == enabled), None),
        locality_aware=bool(routing.get("localityAwareLoadBalancing")),
        zone_egress=bool(routing.get("zoneEgress")),
        forbids_external=bool(routing.get("defaultForbidMeshExternalServiceAccess")),
        passthrough=spec.get("networking", {}).get("outbound", {}).get("passthrough", True),
        mesh_services=spec.get("meshServices", {}).get("mode", "Disabled"),
        skip_initial_policies=tuple(spec.get("skipCreatingInitialPolicies", ())),
        log_backends=log_backends(spec),
        default_log_backend=spec.get("logging", {}).get("defaultBackend", ""),
        trace_backends=trace_backends(spec),
        default_trace_backend=spec.get("tracing", {}).get("defaultBackend", ""),
        metrics=enabled_metrics(spec),
    )
