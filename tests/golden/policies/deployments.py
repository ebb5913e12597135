"""Where the recorded cases make their resources, and what the resources look like where they are used."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ursa.model.labels import DISPLAY_NAME, MESH, NAMESPACE, ORIGIN, POLICY_ROLE, ZONE
from ursa.model.resource import Resource
from ursa.model.synced_names import hashed_name

SYSTEM_NAMESPACE = "kuma-system"
NAMESPACE_OF_ZONE = "ns-k8s"
"""Where a zone on Kubernetes keeps what says nothing else."""


@dataclass(frozen=True)
class Place:
    """A control plane of the recordings: the global or the only zone of its kind, on Kubernetes or not."""

    is_global: bool
    kubernetes: bool

    @classmethod
    def of(cls, mode: str, environment: str) -> Place:
        """From the words in the names of cases."""
        return cls(mode == "global", environment == "k8s")

    @property
    def zone(self) -> str:
        """Name of the zone, empty for the global."""
        return "" if self.is_global else f"zone-{'k8s' if self.kubernetes else 'uni'}"

    def makes(self, resource: Resource) -> Resource:
        """The resource as this control plane keeps it when its user makes it there."""
        labels = {ORIGIN: "global" if self.is_global else "zone", DISPLAY_NAME: resource.name, **resource.labels}
        if self.zone:
            labels[ZONE] = self.zone
        if not self.kubernetes:
            return replace(resource, labels=labels)
        labels = {NAMESPACE: NAMESPACE_OF_ZONE, MESH: resource.mesh, **labels}
        return replace(resource, name=f"{resource.name}.{NAMESPACE_OF_ZONE}", labels=labels)

    def copies(self, resource: Resource) -> Resource:
        """The copy of another control plane's resource."""
        name = hashed_name(resource.mesh, resource.display_name, resource.labels)
        return replace(resource, name=f"{name}.{SYSTEM_NAMESPACE}" if self.kubernetes else name)


def with_role(resource: Resource, role: str) -> Resource:
    """The resource in a role that its control plane gave it."""
    return replace(resource, labels={**resource.labels, POLICY_ROLE: role})
