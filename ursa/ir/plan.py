"""Everything one proxy gets, or one share of it that several proxies have in common."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from ursa.ir.cluster import Cluster
from ursa.ir.listener import Listener
from ursa.ir.localities import Localities
from ursa.ir.routes import RouteConfig
from ursa.ir.tls import CertificateSecret


class Reach(enum.Enum):
    """Which instances of a service a proxy sends to."""

    MESH = "mesh"
    """All: a sidecar's view, other zones by their ingresses or the local egresses."""
    LOCAL = "local"
    """Those of this zone: what an ingress leads to."""
    REMOTE = "remote"
    """Those of other zones, by their ingresses: what an egress leads to."""
    ENTRANCES = "entrances"
    """Gateways of this zone that clients of other meshes may enter."""


@dataclass(frozen=True, slots=True)
class EdsReference:
    """Whose endpoints an EDS cluster has: those of a service, within reach, that carry all `tags`.

    `localities` tells in which order they are used, None as they are.
    """

    mesh: str
    service: str
    tags: tuple[tuple[str, str], ...] = ()
    reach: Reach = Reach.MESH
    localities: Localities | None = None


@dataclass(slots=True)
class ProxyPlan:
    """Listeners and clusters by name; a later one replaces an earlier one of the same name.

    Load assignments and what makes identities are not in here, because they are shared or made elsewhere.

    Attributes:
        endpoints: for every EDS cluster, whose endpoints it has.
        identities: meshes of which the proxy needs a certificate.
        authorities: meshes whose CA it needs.
        unified: whether those are asked for by names of the unified scheme.
        trusts_all: whether it needs the CAs of all meshes together.
        certificates: other certificates that its listeners show, by name.
        runtime: numbers by key for the one runtime layer of a gateway, None for proxies without it.
    """

    listeners: dict[str, Listener] = field(default_factory=dict)
    clusters: dict[str, Cluster] = field(default_factory=dict)
    endpoints: dict[str, EdsReference] = field(default_factory=dict)
    identities: set[str] = field(default_factory=set)
    authorities: set[str] = field(default_factory=set)
    unified: bool = False
    trusts_all: bool = False
    certificates: dict[str, CertificateSecret] = field(default_factory=dict)
    runtime: dict[str, int] | None = None

    @property
    def route_configs(self) -> dict[str, RouteConfig]:
        """Those that are sent apart from their listeners, by name."""
        managers = (chain.http for listener in self.listeners.values() for chain in listener.chains)
        return {m.route_config.name: m.route_config for m in managers if m is not None and m.edge}

    def add(self, *parts: Listener | Cluster) -> None:
        """Adds or replaces parts."""
        for part in parts:
            if isinstance(part, Listener):
                self.listeners[part.name] = part
            else:
                self.clusters[part.name] = part

    def listeners_of(self, origin: str) -> list[Listener]:
        """Listeners made by one part of the planner."""
        return [listener for listener in self.listeners.values() if listener.origin == origin]

    def clusters_of(self, origin: str) -> list[Cluster]:
        """Clusters made by one part of the planner."""
        return [cluster for cluster in self.clusters.values() if cluster.origin == origin]
