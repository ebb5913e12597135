"""Building blocks that several generators use (`spec/xds.md` §2.0)."""

from __future__ import annotations

from collections.abc import Iterable

from ursa.ir import cluster as ir
from ursa.ir.listener import FilterChain, HttpConnectionManager, Router, TcpProxy
from ursa.ir.routes import RouteConfig, VirtualHost, WeightedCluster
from ursa.ir.tls import DownstreamTls, SanMatcher, SdsValidation, UpstreamTls
from ursa.planner.inputs import FEATURE_REUSE_PORT, ProxyFacts, Settings
from ursa.planner.names import OLD, Scheme

SECOND = 10**9
HOUR = 3600 * SECOND

LOOPBACK_CIDRS = (("127.0.0.1", 32), ("::1", 128))
"""What counts as internal for technical listeners."""


def to(*clusters: str) -> tuple[WeightedCluster, ...]:
    """All traffic to one cluster, or equal shares to several."""
    return tuple(WeightedCluster(name, 1) for name in clusters)


def internal_cidrs(settings: Settings, *, ipv6: bool) -> tuple[tuple[str, int], ...]:
    """The configured internal ranges, without IPv6 ones when the proxy has none."""
    return _usable(settings.internal_cidrs, ipv6=ipv6)


def technical_http(
    stat_prefix: str, host: VirtualHost, *, ipv6: bool, max_body: int | None = None
) -> HttpConnectionManager:
    """An HTTP connection manager for the proxy's own business."""
    routes = RouteConfig("", [host], max_direct_response_bytes=max_body, validate_clusters=_validation(max_body))
    return HttpConnectionManager(stat_prefix, routes, [Router()], internal_addresses=_usable(LOOPBACK_CIDRS, ipv6=ipv6))


def tcp_chain(stat_prefix: str, cluster: str) -> FilterChain:
    """Forwards bytes to one cluster."""
    return FilterChain([TcpProxy(stat_prefix, to(cluster))])


def reuse_port(facts: ProxyFacts) -> bool:
    """Whether inbound listeners of this proxy let the kernel spread connections over workers."""
    return facts.has(FEATURE_REUSE_PORT)


def mesh_server_tls(mesh: str, scheme: Scheme = OLD) -> DownstreamTls:
    """Server side of mesh TLS: any client with a certificate of the mesh."""
    sans = (SanMatcher(f"spiffe://{mesh}/", prefix=True),)
    return DownstreamTls(scheme.identity_secret(mesh), SdsValidation(scheme.authority_secret(mesh), sans))


def mesh_client_tls(mesh: str, sni: str, sans: Iterable[SanMatcher], scheme: Scheme = OLD) -> UpstreamTls:
    """Client side of mesh TLS."""
    validation = SdsValidation(scheme.authority_secret(mesh), tuple(sans))
    return UpstreamTls(sni, scheme.identity_secret(mesh), validation)


def any_mesh_server_tls(mesh: str, scheme: Scheme = OLD) -> DownstreamTls:
    """Server side of TLS between meshes: any client with a certificate of any of them."""
    return DownstreamTls(scheme.identity_secret(mesh), SdsValidation(scheme.all_authorities_secret))


def cross_mesh_client_tls(mesh: str, to: str, sni: str, service: str, scheme: Scheme = OLD) -> UpstreamTls:
    """Client side of TLS with a service of another mesh, which is believed its own CA."""
    validation = SdsValidation(scheme.authority_secret(to), (service_san(to, service),))
    return UpstreamTls(sni, scheme.identity_secret(mesh), validation)


def service_san(mesh: str, service: str) -> SanMatcher:
    """The identity of a tag service."""
    return SanMatcher(f"spiffe://{mesh}/{service}")


def inbound_http_options(protocol: str) -> ir.HttpOptions | None:
    """How the workload's cluster speaks HTTP."""
    if protocol not in ("http", "http2", "grpc"):
        return None
    return ir.HttpOptions(1 if protocol == "http" else 2, idle_timeout=2 * HOUR)


def _usable(cidrs: Iterable[tuple[str, int]], *, ipv6: bool) -> tuple[tuple[str, int], ...]:
    return tuple((prefix, bits) for prefix, bits in cidrs if ipv6 or ":" not in prefix)


def _validation(max_body: int | None) -> bool | None:
    # Kuma leaves the field out where bodies are served and sets it where requests are forwarded.
    return False if max_body is None else None
