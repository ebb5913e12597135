"""Tracers as both generations of policies choose them, and what they make of listeners."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from ursa.ir import origins
from ursa.ir.cluster import Cluster
from ursa.ir.listener import INBOUND, Listener
from ursa.ir.tls import ExternalTls, TlsMatch
from ursa.ir.tracing import Datadog, Tracing, Zipkin
from ursa.policies.core.collectors import collector_cluster


@dataclass(frozen=True, slots=True)
class Collector:
    """Where spans go: a cluster by this name; `tls` for servers that are spoken to by HTTPS."""

    cluster: str
    host: str
    port: int
    origin: str
    http2: bool = False
    tls: bool = False

    def make_cluster(self) -> Cluster:
        """Its cluster."""
        cluster = collector_cluster(self.cluster, self.host, self.port, self.origin, http2=self.http2)
        if self.tls:
            tls = ExternalTls(sni=self.host, allow_renegotiation=True)
            cluster.tls_matches = (TlsMatch(self.host, (), tls),)
        return cluster


@dataclass(frozen=True, slots=True)
class Tracer:
    """How a proxy traces; `split` gives every direction and destination a service name of its own."""

    tracing: Tracing
    collector: Collector
    split: bool = False

    def trace(self, listener: Listener, destination: str = "") -> None:
        """Traces the requests that a listener takes; `destination` of those that go out."""
        for chain in listener.chains:
            if (manager := chain.http) is not None:
                manager.tracing = self._for(listener.direction, destination)

    def at_the_edge(self) -> Tracer:
        """The same for a gateway, where traces begin: what it sends on has spans of its own."""
        provider = self.tracing.provider
        if isinstance(provider, Zipkin) and self.collector.origin == origins.MESH_TRACE:
            provider = replace(provider, split_spans=True)
        return replace(self, tracing=replace(self.tracing, provider=provider, upstream_spans=True))

    def _for(self, direction: str, destination: str) -> Tracing:
        provider = self.tracing.provider
        if not self.split or not isinstance(provider, Datadog):
            return self.tracing
        suffix = direction if direction == INBOUND else f"{direction}_{destination}"
        return replace(self.tracing, provider=replace(provider, service=f"{provider.service}_{suffix}"))


def zipkin(
    cluster: str, origin: str, url: str, *, version: str, long_ids: bool, shared: bool | None
) -> tuple[Zipkin, Collector]:
    """A collector of Zipkin by its URL."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    provider = Zipkin(cluster, parts.path or "/", parts.netloc, version, long_ids, shared)
    return provider, Collector(cluster, parts.hostname or "", port, origin, tls=secure)
