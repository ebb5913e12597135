"""Listeners, their filter chains and filters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from ursa.ir.access_logs import AccessLog
from ursa.ir.address import Address
from ursa.ir.faults import Fault
from ursa.ir.rate_limits import TokenBucket
from ursa.ir.rbac import Rbac
from ursa.ir.routes import RouteConfig, WeightedCluster
from ursa.ir.tls import DownstreamTls, SanMatcher
from ursa.ir.tracing import Tracing

INBOUND, OUTBOUND = "INBOUND", "OUTBOUND"
"""Traffic directions."""


@dataclass(frozen=True, slots=True)
class Router:
    """HTTP filter that forwards; the last one."""


@dataclass(frozen=True, slots=True)
class GrpcStats:
    """HTTP filter that counts gRPC calls."""


@dataclass(slots=True)
class HttpRbac:
    """HTTP filter that lets only permitted clients pass."""

    rbac: Rbac


@dataclass(frozen=True, slots=True)
class HttpFault:
    """HTTP filter that makes a fault; one made in the name of a `policy` only for clients that fulfil one of `sans`."""

    fault: Fault
    policy: str = ""
    sans: tuple[SanMatcher, ...] = ()


@dataclass(frozen=True, slots=True)
class HttpRateLimit:
    """HTTP filter that keeps to the rates that routes say."""


@dataclass(frozen=True, slots=True)
class Compressor:
    """HTTP filter that compresses answers for clients that understand it."""


@dataclass(frozen=True, slots=True)
class RouteTeller:
    """HTTP filter that lets logs know which route a request takes."""


HttpFilter: TypeAlias = Router | GrpcStats | HttpRbac | HttpFault | HttpRateLimit | Compressor | RouteTeller


@dataclass(slots=True)
class HttpConnectionManager:
    """Network filter that speaks HTTP.

    Attributes:
        internal_addresses: CIDR ranges, (address, bits), whose clients count as internal.
        forward_client_cert: whether upstream learns the client's certificate (sanitised, with its URI).
        edge: whether clients are strangers: odd requests are refused, and the routes are sent apart from the listener.
    """

    stat_prefix: str
    route_config: RouteConfig
    http_filters: list[HttpFilter]
    internal_addresses: tuple[tuple[str, int], ...] = ()
    forward_client_cert: bool = False
    edge: bool = False
    normalize_path: bool = False
    request_timeout: int | None = None
    idle_timeout: int | None = None
    request_headers_timeout: int | None = None
    stream_idle_timeout: int | None = None
    access_logs: list[AccessLog] = field(default_factory=list)
    tracing: Tracing | None = None

    def before_router(self, *filters: HttpFilter) -> None:
        """Adds filters directly before the router."""
        self.http_filters[-1:-1] = filters


@dataclass(slots=True)
class TcpProxy:
    """Network filter that forwards bytes; `metadata_match` keeps to hosts with these tags."""

    stat_prefix: str
    clusters: tuple[WeightedCluster, ...]
    idle_timeout: int | None = None
    max_connect_attempts: int | None = None
    metadata_match: tuple[tuple[str, str], ...] = ()
    access_logs: list[AccessLog] = field(default_factory=list)


@dataclass(slots=True)
class NetworkRbac:
    """Network filter that lets only permitted clients pass."""

    stat_prefix: str
    rbac: Rbac


@dataclass(frozen=True, slots=True)
class ConnectionRateLimit:
    """Network filter that closes connections beyond a rate."""

    bucket: TokenBucket


@dataclass(frozen=True, slots=True)
class KafkaBroker:
    """Network filter that counts Kafka requests (in Envoy builds with contrib extensions)."""

    stat_prefix: str


@dataclass(frozen=True, slots=True)
class DirectAnswer:
    """Network filter that answers with a text and closes."""

    text: str


NetworkFilter: TypeAlias = (
    HttpConnectionManager | TcpProxy | NetworkRbac | ConnectionRateLimit | KafkaBroker | DirectAnswer
)


@dataclass(frozen=True, slots=True)
class ChainMatch:
    """Which connections a filter chain is for.

    Attributes:
        source: address of a single client.
        destination: addresses that clients meant, as a network.
    """

    transport_protocol: str = ""
    application_protocols: tuple[str, ...] = ()
    server_names: tuple[str, ...] = ()
    destination_port: int = 0
    source: str = ""
    destination: tuple[str, int] | None = None


@dataclass(slots=True)
class FilterChain:
    """Filters for some connections."""

    filters: list[NetworkFilter]
    match: ChainMatch | None = None
    tls: DownstreamTls | None = None
    name: str = ""

    @property
    def http(self) -> HttpConnectionManager | None:
        """Its HTTP connection manager, if it has one."""
        return next((f for f in self.filters if isinstance(f, HttpConnectionManager)), None)

    @property
    def tcp(self) -> TcpProxy | None:
        """Its TCP proxy, if it has one."""
        return next((f for f in self.filters if isinstance(f, TcpProxy)), None)


def permissive_chains(plain: FilterChain, foreign_tls: FilterChain, mesh_tls: FilterChain) -> list[FilterChain]:
    """Chains of an inbound that takes clients of all sorts: without TLS, with the workload's own, with the mesh's."""
    plain.match = ChainMatch(transport_protocol="raw_buffer")
    foreign_tls.match = ChainMatch(transport_protocol="tls")
    mesh_tls.match = ChainMatch("tls", application_protocols=("kuma",))
    return [plain, foreign_tls, mesh_tls]


@dataclass(frozen=True, slots=True)
class DnsTable:
    """Host names and addresses that a DNS filter answers with, sorted by name; `ttl` in seconds."""

    records: tuple[tuple[str, tuple[str, ...]], ...]
    ttl: int = 30


@dataclass(slots=True)
class Listener:
    """Something that accepts connections.

    Attributes:
        origin: the part of the planner that made it.
        reuse_port: None leaves the field out.
        bind: False when transparent proxying hands connections over.
        original_dst_filter: whether a filter, too, restores where a redirected connection was meant to go.
        uninspected_ports: those at which servers speak first, so that there is nothing to look at.
        tags: metadata by which patches find it.
        stat_prefix: only in the unified naming scheme.
        dns: for a UDP listener, the table of its DNS filter.
        protocol: of the inbound or outbound behind it.
        buffer_limit: bytes that a connection may hold back; None for Envoy's own number.
    """

    name: str
    address: Address
    origin: str
    chains: list[FilterChain] = field(default_factory=list)
    direction: str = ""
    reuse_port: bool | None = None
    bind: bool = True
    original_dst: bool = False
    tls_inspector: bool = False
    http_inspector: bool = False
    original_dst_filter: bool = False
    uninspected_ports: tuple[int, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    stat_prefix: str = ""
    dns: DnsTable | None = None
    protocol: str = ""
    resource_origin: str = ""
    buffer_limit: int | None = None
