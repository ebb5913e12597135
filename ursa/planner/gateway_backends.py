"""What gateways lead to: clusters of their own for every set of listener tags (`spec/xds.md` §7.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ursa.ir import origins
from ursa.ir.cluster import EDS, Cluster, HttpOptions
from ursa.ir.naming import TAGS_HEADER
from ursa.ir.plan import ProxyPlan
from ursa.ir.routes import HeaderValue, WeightedCluster
from ursa.model.labels import PROTOCOL_TAG, SERVICE_TAG
from ursa.planner.backends import (
    Backend,
    RealBackend,
    TagBackend,
    backend_cluster,
    backend_endpoints,
    backend_name,
    tag_backend,
)
from ursa.planner.inputs import OutboundInputs
from ursa.topology.destinations import cluster_name
from ursa.topology.localities import arranged
from ursa.topology.protocols import GRPC, HTTP2, parse_protocol

BUFFER = 1 << 15
"""Bytes that connections of gateways may hold back."""

STREAM_WINDOW, CONNECTION_WINDOW = 1 << 16, 1 << 20


@dataclass(slots=True)
class GatewayBackends:
    """The backends that one listener of a gateway leads to, which grow with its routes.

    Attributes:
        asking: tags of the listener, which tell its clusters from those of others.
        http: whether requests are looked into.
        found: backends by the names of their clusters.
    """

    inputs: OutboundInputs
    asking: Mapping[str, str]
    http: bool
    found: dict[str, Backend] = field(default_factory=dict)

    def share(self, backend: Backend, weight: int) -> WeightedCluster:
        """A share of the traffic for a backend, which is noted; only proxies are told where requests come from."""
        name = self.name(backend)
        outside = isinstance(backend, TagBackend) and backend.outside is not None and bool(backend.outside.instances)
        tell = self.http and not outside
        headers = (HeaderValue(TAGS_HEADER, self.inputs.source_tags),) if tell else ()
        return WeightedCluster(name, weight, headers)

    def name(self, backend: Backend) -> str:
        """Name of its cluster; the backend is noted."""
        if isinstance(backend, RealBackend):
            known_as: Mapping[str, str] = {SERVICE_TAG: backend_name(backend, unified=False)}
        else:
            known_as = backend.tags
        name = cluster_name(known_as, self.asking)
        self.found.setdefault(name, backend)
        return name

    def by_tags(self, tags: Mapping[str, str]) -> TagBackend | None:
        """The backend of a destination that is named by tags, None when nothing is known of the service."""
        facts = next((tag for tag in self.inputs.routes.tags if tag.service == tags.get(SERVICE_TAG)), None)
        return None if facts is None else tag_backend(tags, facts.protocol, self.inputs, tls=facts.tls)

    def clusters(self) -> tuple[Cluster, ...]:
        """Fresh clusters of all backends noted."""
        return tuple(self._cluster(name, backend) for name, backend in self.found.items())

    def note(self, plan: ProxyPlan, cluster: Cluster) -> None:
        """Adds a cluster to a plan, and says whose endpoints and secrets it needs."""
        mesh = self.inputs.mesh.name
        plan.add(cluster)
        if cluster.type == EDS:
            endpoints = backend_endpoints(self.found[cluster.name], mesh)
            plan.endpoints[cluster.name] = replace(endpoints, localities=cluster.localities)
        elif cluster.localities is not None:
            cluster.endpoints = arranged(cluster.endpoints, cluster.localities)
        if cluster.tls is not None:
            plan.identities.add(mesh)
            plan.authorities.add(mesh)

    def _cluster(self, name: str, backend: Backend) -> Cluster:
        cluster = backend_cluster(backend, self.inputs)
        cluster.assignment = backend.tags[SERVICE_TAG] if isinstance(backend, TagBackend) else ""
        cluster.name, cluster.origin, cluster.buffer_limit = name, origins.GATEWAY, BUFFER
        cluster.http = _http_options(backend) if self.http else None
        return cluster


def _http_options(backend: Backend) -> HttpOptions:
    """What is spoken: of a service known by tags only what the route says of it counts, as in Kuma."""
    if isinstance(backend, RealBackend):
        protocol = backend.protocol
    else:
        protocol = parse_protocol(backend.tags.get(PROTOCOL_TAG, ""))
    if protocol in (HTTP2, GRPC):
        return HttpOptions(2, idle_timeout=0, stream_window=STREAM_WINDOW, connection_window=CONNECTION_WINDOW)
    return HttpOptions(1, idle_timeout=0)
