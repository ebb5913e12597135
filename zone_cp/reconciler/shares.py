"""What meshes contribute to zone proxies, in bytes: made destination by destination, shared by all that lead there.

A listener holds the filter chains of all destinations. They are serialised one by one and joined, so that one
destination more costs one chain and one cluster, however many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from ursa.discovery.entry import Entry, entry
from ursa.discovery.resource_set import ResourceSet
from ursa.envoy import types
from ursa.envoy.clusters import cluster_bytes
from ursa.envoy.listeners import chain_bytes
from ursa.ir.plan import EdsReference
from ursa.planner.inputs import Destination, Leaving, MeshShare, ShareContext
from ursa.planner.zone_proxies import Way
from zone_cp.reconciler.render import Rendered


@dataclass(frozen=True, slots=True)
class _Made:
    """The way to a destination."""

    cluster: Entry
    chains: tuple[bytes, ...]
    endpoints: EdsReference | None


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Share:
    """A share with everything but the listener rendered, and the chains for the listener; compared by identity."""

    of: MeshShare
    rendered: Rendered
    chains: tuple[bytes, ...]
    made: Mapping[Destination, _Made] = field(repr=False)


class Shares:
    """The newest share of every mesh and sort of zone proxy, for as long as a proxy has it."""

    def __init__(self, plan: Callable[[ShareContext, Destination], Way]) -> None:
        """Args: plan: plans the way to a destination."""
        self._plan = plan
        self._newest: WeakValueDictionary[ShareContext, Share] = WeakValueDictionary()
        self.made = 0
        """How many ways had to be made so far."""

    def of(self, share: MeshShare) -> Share:
        """The share in bytes; what is as it was in the last one of this context is the same object."""
        last = self._newest.get(share.context)
        if last is None or last.of != share:
            last = self._newest[share.context] = self._make(share, last)
        return last

    def _make(self, share: MeshShare, last: Share | None) -> Share:
        known: Mapping[Destination, _Made] = {} if last is None else last.made
        made = {one: known.get(one) or self._way(share.context, one) for one in share.destinations}
        clusters = ResourceSet.EMPTY if last is None else last.rendered.resources[types.CLUSTER]
        leaving = share.context if isinstance(share.context, Leaving) else None
        secured = frozenset({leaving.mesh} if leaving is not None else ())
        rendered = Rendered(
            {types.CLUSTER: clusters.replaced(way.cluster for way in made.values())},
            {},
            {way.cluster.name: way.endpoints for way in made.values() if way.endpoints is not None},
            secured,
            secured,
            unified=leaving is not None and leaving.scheme.unified,
        )
        return Share(share, rendered, tuple(chain for way in made.values() for chain in way.chains), made)

    def _way(self, context: ShareContext, destination: Destination) -> _Made:
        self.made += 1
        way = self._plan(context, destination)
        cluster = entry(types.CLUSTER, way.cluster.name, cluster_bytes(way.cluster))
        return _Made(cluster, tuple(map(chain_bytes, way.chains)), way.endpoints)
