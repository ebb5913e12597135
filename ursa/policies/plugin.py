"""How a policy turns into proxy configuration: it adjusts the plan that the generators made.

A plugin gets the part of the plan it may touch and the policies or rules that count there; it reads nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ursa.ir.cluster import Cluster
from ursa.ir.listener import FilterChain, Listener
from ursa.ir.routes import Route
from ursa.model.json import JsonObject
from ursa.model.labels import SERVICE_TAG
from ursa.model.real_service import RealService
from ursa.policies.core.place import NOWHERE, Place
from ursa.policies.core.policy import Policy
from ursa.policies.core.real_rules import RealRules
from ursa.policies.core.route_hash import MATCHES_KEY
from ursa.policies.core.speaker import Logbook
from ursa.policies.core.subject import pairs
from ursa.policies.core.subsets import SubsetRules


@dataclass(frozen=True, slots=True)
class InboundTarget:
    """One inbound: its listener, the cluster of the workload behind it, and the mesh it belongs to.

    Attributes:
        logbook: how its proxy writes down what passes.
    """

    listener: Listener
    cluster: Cluster
    protocol: str
    mesh: str
    logbook: Logbook


@dataclass(frozen=True, slots=True)
class OutboundTarget:
    """One outbound: its listener, the clusters its routes lead to, and its destination.

    Attributes:
        tags: the destination's, empty for a real service.
        resource_origin: KRI of the real service with the port's section, empty for a tag service.
        source_tags: how the proxy tells its own tags.
        logbook: how it writes down what passes, if anything does.
        place: where the proxy is.
        by_egress: whether it reaches tag services of other zones by egresses.
    """

    listener: Listener
    clusters: tuple[Cluster, ...]
    protocol: str
    tags: Mapping[str, str]
    resource_origin: str = ""
    source_tags: str = ""
    logbook: Logbook | None = None
    place: Place = NOWHERE
    by_egress: bool = False


class Destination(Protocol):
    """What rules for destinations look at: an outbound, or a cluster of one."""

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags of a tag service."""

    @property
    def resource_origin(self) -> str:
        """KRI of a real service's port."""


@dataclass(frozen=True, slots=True)
class DestinationRules:
    """The rules of one policy's `to` items.

    Attributes:
        tag: those for tag services.
        real: those for real services.
        ports: real services and the sections of their ports, by KRI.
        routes: MeshHTTPRoutes that lead to real services, by KRI.
    """

    tag: SubsetRules
    real: RealRules
    ports: Mapping[str, tuple[RealService, str]] = field(default_factory=dict)
    routes: Mapping[str, Policy] = field(default_factory=dict)

    def conf(self, destination: Destination) -> JsonObject | None:
        """The effective conf for a destination, None when no policy speaks about it."""
        if destination.resource_origin:
            found = self.real.lookup(*self.ports[destination.resource_origin])
        else:
            found = self.tag.lookup(pairs(destination.tags))
        return None if found is None else found.conf

    def name(self, destination: Destination) -> str:
        """What people call a destination."""
        if destination.resource_origin:
            return self.ports[destination.resource_origin][0].display_name
        return destination.tags[SERVICE_TAG]

    def route_conf(self, destination: Destination, route: Route) -> JsonObject | None:
        """The effective conf for the requests that one route of an outbound takes."""
        if destination.resource_origin:
            found = self.real.lookup(*self.ports[destination.resource_origin], self.routes.get(route.resource_origin))
        elif route.matches_hash:
            found = self.tag.lookup(pairs({**destination.tags, MATCHES_KEY: route.matches_hash}))
        else:
            return self.conf(destination)
        return None if found is None else found.conf


@dataclass(frozen=True, slots=True)
class EgressTarget:
    """The way from an egress to a service outside of the mesh.

    Attributes:
        chain: filter chain for its clients, which terminates mesh TLS.
        cluster: its servers.
        listener: name of the egress' listener.
        forbidden: whether the mesh lets nobody use MeshExternalServices.
    """

    chain: FilterChain
    cluster: Cluster
    listener: str
    mesh: str
    forbidden: bool = False


class PolicyPlugin:
    """A policy without effect; plugins override what they have one on. `kind` is the policy's type name."""

    kind = ""

    def inbound(self, target: InboundTarget, policies: tuple[Policy, ...]) -> None:
        """Adjusts an inbound; `policies` select it, in ascending strength, and may be none."""

    def outbound(self, target: OutboundTarget, rules: DestinationRules) -> None:
        """Adjusts an outbound by the rules for destinations, which may be empty."""

    def passed_on(self, cluster: Cluster, chains: Sequence[FilterChain], zone: str, rules: DestinationRules) -> None:
        """Adjusts the way from an egress to a service known by tag: in other zones, or outside of the mesh.

        Args:
            cluster: its instances.
            chains: for its clients.
            zone: that of the egress.
            rules: those for all clients, since an egress does not tell one from the other.
        """

    def gateway(self, target: OutboundTarget, rules: DestinationRules, policies: tuple[Policy, ...]) -> None:
        """Adjusts a listener of a builtin gateway and what is behind it, without further ado as if it were an outbound.

        Args:
            target: the listener, whose destination is all of the mesh, and the clusters its routes lead to.
            rules: those for destinations, which may be empty.
            policies: that select the listener, in ascending strength.
        """
        self.outbound(target, rules)

    def external(self, target: EgressTarget, policies: tuple[Policy, ...]) -> None:
        """Adjusts the way to an ExternalService; `policies` select it, in ascending strength, and may be none."""

    def mesh_external(self, target: EgressTarget, policies: tuple[Policy, ...]) -> None:
        """Adjusts the way to a MeshExternalService; `policies` of the whole mesh speak about destinations."""
