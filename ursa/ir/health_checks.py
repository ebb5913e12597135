"""How a proxy finds out by itself whether endpoints are well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ursa.ir.routes import HeaderValue


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """A request; without expected statuses only 200 is well."""

    path: str
    statuses: tuple[int, ...] = ()
    headers: tuple[HeaderValue, ...] = ()
    http2: bool = False


@dataclass(frozen=True, slots=True)
class TcpProbe:
    """A connection, on which bytes are sent and looked for."""

    send: bytes | None = None
    receive: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class GrpcProbe:
    """A call of gRPC's own health service."""

    service: str = ""
    authority: str = ""


Probe: TypeAlias = HttpProbe | TcpProbe | GrpcProbe


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """When endpoints are asked, and what follows.

    Attributes:
        jitter_percent: of the interval.
        log: a file for changes of health; `log_by_sink` says it in the newer of Envoy's two ways.
        always_log: also log failures of endpoints that are ill already.
    """

    probe: Probe
    interval: int
    timeout: int
    unhealthy: int
    healthy: int
    initial_jitter: int | None = None
    interval_jitter: int | None = None
    jitter_percent: int = 0
    no_traffic_interval: int | None = None
    reuse_connection: bool | None = None
    log: str = ""
    log_by_sink: bool = False
    always_log: bool = False
