"""One connected proxy: what was planned for it last, and the snapshot its session follows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from ursa.discovery.snapshot import Layers, ResourceSet, Snapshot
from ursa.envoy import types
from ursa.model.resource import ResourceKey
from ursa.planner.inputs import AdminInputs, InboundInputs, ProxyFacts, ZoneProxyInputs
from zone_cp.reconciler.assignments import AssignmentSet
from zone_cp.reconciler.authorities import Identity
from zone_cp.reconciler.render import Rendered
from zone_cp.reconciler.shares import Share

ALWAYS = frozenset({types.CLUSTER, types.ENDPOINT, types.LISTENER, types.SECRET})
"""Types of which every proxy knows all there are, even when there are none."""

OwnInputs = tuple[InboundInputs | ZoneProxyInputs, AdminInputs]


@dataclass(slots=True, eq=False)
class Proxy:
    """A proxy that the reconciler keeps up to date.

    Attributes:
        own_inputs: inputs from which `own` was made.
        outbound: half shared with its class; None for zone proxies.
        patched: both halves as users changed them, the shared one first; empty where nobody did.
        shares: of a zone proxy: what meshes contribute, but for the listener.
        assignments: load assignments of all its EDS clusters.
        served: the `assignments.resources` that the snapshot holds.
        identities: its certificate per mesh.
        error: why it could not be planned the last time, empty when it could.
        revision: of the view from which the snapshot was made.
        is_current: whether planning it again would give the same parts, but for endpoints and certificates to renew.
    """

    key: ResourceKey
    facts: ProxyFacts
    own_inputs: OwnInputs | None = None
    own: Rendered | None = None
    outbound: Rendered | None = None
    patched: tuple[Rendered, ...] = ()
    shares: tuple[Share, ...] = ()
    assignments: AssignmentSet | None = None
    served: ResourceSet | None = None
    authorities: tuple[ResourceSet, ...] = ()
    identities: dict[str, Identity] = field(default_factory=dict)
    snapshot: Snapshot | None = None
    error: str = ""
    revision: int = 0
    is_current: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def halves(self) -> tuple[Rendered, ...]:
        """What was planned of it, what is shared with others first."""
        if self.patched:
            return self.patched
        shares = (share.rendered for share in self.shares)
        return tuple(part for part in (*shares, self.outbound, self.own) if part is not None)

    @property
    def parts(self) -> tuple[object, ...]:
        """Everything its snapshot is made of; equal parts give an equal snapshot."""
        endpoints = None if self.assignments is None else self.assignments.resources
        halves = (self.own, self.outbound, *self.patched)
        return (*self.shares, *halves, endpoints, self.authorities, *self.identities.items())

    @property
    def reaches_instances(self) -> bool:
        """Whether it has listeners for the instances of services, so that endpoints are part of its plan."""
        own = None if self.own_inputs is None else self.own_inputs[0]
        transparent = own.dataplane.transparent if isinstance(own, InboundInputs) else None
        return transparent is not None and bool(transparent.direct_access_services)

    @property
    def serves_newest(self) -> bool:
        """Whether the snapshot holds the newest endpoints."""
        return self.assignments is None or self.served is self.assignments.resources

    def believes(self, meshes: set[str]) -> bool:
        """Whether it needs the CA of one of these meshes, which may be another one than its own."""
        halves = self.halves if meshes else ()
        return any(half.trusts_all or not half.authorities.isdisjoint(meshes) for half in halves)

    async def next_snapshot(self, seen: Snapshot | None) -> Snapshot:
        """Waits until there is a snapshot other than `seen`."""
        while self.snapshot is None or self.snapshot is seen:
            self._news.clear()
            await self._news.wait()
        return self.snapshot

    def publish(self) -> None:
        """Builds the snapshot from the parts and wakes the session."""
        self.served = None if self.assignments is None else self.assignments.resources
        secrets = (*self.authorities, *(identity.resources for identity in self.identities.values()))
        beside = {types.ENDPOINT: () if self.served is None else (self.served,), types.SECRET: secrets}
        # A type that was there once stays known, so that the last of its resources can go.
        known = ALWAYS if self.snapshot is None else ALWAYS.union(self.snapshot.layers)
        layers: dict[str, Layers] = dict.fromkeys(sorted(known), ())
        for half in self.halves:
            for type_url, resources in half.resources.items():
                layers[type_url] = (*layers.get(type_url, ()), resources)
        for type_url, others in beside.items():
            layers[type_url] += others
        self.snapshot = Snapshot(layers)
        self._news.set()

    @property
    def renew_at(self) -> int | None:
        """When the first of its certificates has to be renewed, nanoseconds since the epoch."""
        return min((identity.leaf.renew_at for identity in self.identities.values()), default=None)
