"""Everything one proxy gets, or one share of it that several proxies have in common."""

from __future__ import annotations

from dataclasses import dataclass, field

from ursa.ir.cluster import Cluster
from ursa.ir.listener import Listener
from ursa.ir.tls import CertificateSecret, ValidationSecret


@dataclass(frozen=True, slots=True)
class EdsReference:
    """Whose endpoints an EDS cluster has: those of a service that carry all `tags`."""

    mesh: str
    service: str
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class ProxyPlan:
    """Listeners and clusters by name; a later one replaces an earlier one of the same name.

    Load assignments are not in here: they are shared by all proxies of a mesh, `endpoints` says which ones are needed.
    """

    listeners: dict[str, Listener] = field(default_factory=dict)
    clusters: dict[str, Cluster] = field(default_factory=dict)
    endpoints: dict[str, EdsReference] = field(default_factory=dict)
    secrets: dict[str, CertificateSecret | ValidationSecret] = field(default_factory=dict)

    def add(self, *parts: Listener | Cluster | CertificateSecret | ValidationSecret) -> None:
        """Adds or replaces parts."""
        for part in parts:
            if isinstance(part, Listener):
                self.listeners[part.name] = part
            elif isinstance(part, Cluster):
                self.clusters[part.name] = part
            else:
                self.secrets[part.name] = part

    def listeners_of(self, origin: str) -> list[Listener]:
        """Listeners made by one part of the planner."""
        return [listener for listener in self.listeners.values() if listener.origin == origin]

    def clusters_of(self, origin: str) -> list[Cluster]:
        """Clusters made by one part of the planner."""
        return [cluster for cluster in self.clusters.values() if cluster.origin == origin]
