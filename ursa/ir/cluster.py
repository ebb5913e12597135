"""Clusters and the endpoints in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ursa.ir.address import Address
from ursa.ir.health_checks import HealthCheck
from ursa.ir.localities import Localities
from ursa.ir.tls import TlsMatch, UpstreamTls

STATIC, STRICT_DNS, EDS, ORIGINAL_DST = "STATIC", "STRICT_DNS", "EDS", "ORIGINAL_DST"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An instance of a service as a client may reach it; `tags` carry no `kuma.io/service`."""

    address: str
    port: int
    weight: int = 1
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    zone: str | None = None
    """Locality; None when it is not known."""
    priority: int = 0
    lapsed: bool = False
    """Whether the zone there has not been seen for a while, so that it is used last."""
    sub_zone: str = ""
    locality_weight: int | None = None
    """Share of the locality among those of its priority."""


@dataclass(frozen=True, slots=True)
class LoadAssignment:
    """The endpoints of a cluster; `overprovisioning` tells how soon the next priority helps out, in percent."""

    cluster: str
    endpoints: tuple[Endpoint, ...] = ()
    overprovisioning: int | None = None


@dataclass(slots=True)
class HttpOptions:
    """How a cluster speaks HTTP.

    Attributes:
        version: 1 or 2, or 0 when only timeouts are set.
        stream_window, connection_window: bytes of HTTP/2 that may be on the way; None for Envoy's own numbers.
    """

    version: int
    idle_timeout: int | None = None
    max_connection_duration: int | None = None
    max_stream_duration: int | None = None
    stream_window: int | None = None
    connection_window: int | None = None


@dataclass(slots=True)
class Thresholds:
    """Limits on what a cluster may have open."""

    max_connections: int | None = None
    max_connection_pools: int | None = None
    max_pending_requests: int | None = None
    max_requests: int | None = None
    max_retries: int | None = None
    track_remaining: bool = True


@dataclass(slots=True)
class OutlierDetection:
    """When an endpoint is taken out for a while; a detector that is None is switched off.

    `local_origin_off` says whether that includes what detectors make of failures on this side; older policies leave it
    to Envoy, for which it matters only with `split_errors`.
    """

    interval: int | None = None
    base_ejection_time: int | None = None
    max_ejection_percent: int | None = None
    split_errors: bool | None = None
    consecutive_5xx: Consecutive | None = None
    consecutive_gateway_failure: Consecutive | None = None
    consecutive_local_origin_failure: Consecutive | None = None
    success_rate: SuccessRate | None = None
    failure_percentage: FailurePercentage | None = None
    local_origin_off: bool = True


@dataclass(frozen=True, slots=True)
class Consecutive:
    """Ejects endpoints that fail so often in a row; None for Envoy's own number."""

    count: int | None = None


@dataclass(frozen=True, slots=True)
class SuccessRate:
    """Ejects endpoints far below the mean; `stdev_factor` in thousandths."""

    minimum_hosts: int | None = None
    request_volume: int | None = None
    stdev_factor: int | None = None


@dataclass(frozen=True, slots=True)
class FailurePercentage:
    """Ejects endpoints that fail too often."""

    minimum_hosts: int | None = None
    request_volume: int | None = None
    threshold: int | None = None


@dataclass(frozen=True, slots=True)
class LeastRequest:
    """Load balancing by open requests; `bias` tells how much they count against weights."""

    choice_count: int | None = None
    bias: float | None = None


@dataclass(frozen=True, slots=True)
class RingHash:
    """Load balancing by hash on a ring."""

    hash_function: str = ""
    min_size: int | None = None
    max_size: int | None = None


@dataclass(frozen=True, slots=True)
class RandomChoice:
    """Load balancing by chance."""


@dataclass(frozen=True, slots=True)
class Maglev:
    """Load balancing by Maglev's hash."""

    table_size: int | None = None


LoadBalancer = LeastRequest | RingHash | RandomChoice | Maglev


@dataclass(slots=True)
class Cluster:
    """Where requests can be sent.

    Attributes:
        origin: the part of the planner that made it.
        addresses: endpoints of a static cluster.
        endpoints: endpoints of a cluster without load assignment that carry weights, tags and localities.
        bind_source: source address of upstream connections.
        subset_keys: sets of tag keys by which a subset can be asked for.
        tags: of the destination behind an outbound cluster.
        ipv4_only: whether a name is resolved to IPv4 addresses only.
        fail_traffic_on_panic: whether requests fail, instead of going to ill endpoints, when too few are well.
        alt_stat_name: whether the name for statistics is given even where it equals the name.
        external: whether it leads out of the mesh by an egress.
        localities: how traffic is spread over its endpoints' localities, None as the endpoints say.
        assignment: what its own endpoints are called, if not like itself.
        buffer_limit: bytes that a connection may hold back; None for Envoy's own number.
    """

    name: str
    type: str
    origin: str
    connect_timeout: int | None = 5 * 10**9
    addresses: tuple[Address, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    http: HttpOptions | None = None
    tls: UpstreamTls | None = None
    tls_matches: tuple[TlsMatch, ...] = ()
    bind_source: str = ""
    cluster_provided: bool = False
    balancer: LoadBalancer | None = None
    thresholds: Thresholds | None = None
    outliers: OutlierDetection | None = None
    panic_threshold: float | None = None
    fail_traffic_on_panic: bool | None = None
    health_checks: list[HealthCheck] = field(default_factory=list)
    subset_keys: tuple[tuple[str, ...], ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    protocol: str = ""
    resource_origin: str = ""
    ipv4_only: bool = False
    alt_stat_name: bool = False
    external: bool = False
    localities: Localities | None = None
    assignment: str = ""
    buffer_limit: int | None = None
