"""Load assignments: made once per cluster name and service, shared by every proxy that has the cluster.

Proxies with the same EDS clusters share one resource set. When the endpoints of a service change, the few entries that
show them are made anew, and the sets that hold them are replaced; nothing else is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ursa.discovery.snapshot import Entry, ResourceSet, entry
from ursa.envoy import types
from ursa.envoy.endpoints import assignment_bytes
from ursa.ir.cluster import LoadAssignment
from ursa.ir.plan import EdsReference

Cluster = tuple[str, EdsReference]
"""Name of an EDS cluster, and whose endpoints it has."""


class AssignmentSet:
    """The load assignments of all proxies with the same EDS clusters."""

    def __init__(self, clusters: frozenset[Cluster], resources: ResourceSet) -> None:
        self.clusters = clusters
        self.resources = resources
        self.users = 0


class Assignments:
    """All load assignments in use."""

    def __init__(self, find: Callable[[str, EdsReference], LoadAssignment]) -> None:
        """Args: find: the present endpoints of a cluster."""
        self._find = find
        self.built = 0
        """How many load assignments had to be made so far."""
        self.found = 0
        """How many were there already when somebody needed them."""
        self._entries: dict[Cluster, Entry] = {}
        self._sets: dict[frozenset[Cluster], AssignmentSet] = {}
        self._holding: dict[Cluster, set[frozenset[Cluster]]] = {}
        self._showing: dict[tuple[str, str], set[Cluster]] = {}

    def acquire(self, endpoints: Mapping[str, EdsReference]) -> AssignmentSet:
        """The set for these EDS clusters; give it back with `release`."""
        clusters = frozenset(endpoints.items())
        found = self._sets.get(clusters)
        if found is None:
            entries = [self._entry(cluster) for cluster in clusters]
            found = self._sets[clusters] = AssignmentSet(clusters, ResourceSet.of(entries))
            for cluster in clusters:
                self._holding.setdefault(cluster, set()).add(clusters)
        else:
            self.found += len(clusters)
        found.users += 1
        return found

    def release(self, used: AssignmentSet) -> None:
        """Ends one use; what nobody uses is dropped."""
        used.users -= 1
        if used.users:
            return
        del self._sets[used.clusters]
        for cluster in used.clusters:
            holders = self._holding[cluster]
            holders.discard(used.clusters)
            if not holders:
                self._forget(cluster)

    def refresh(self, services: Iterable[tuple[str, str]]) -> None:
        """Makes the assignments of these services anew and replaces them in the sets that hold them."""
        changed: dict[frozenset[Cluster], list[Entry]] = {}
        for service in services:
            for cluster in self._showing.get(service, ()):
                before, after = self._entries[cluster], self._make(cluster)
                if before.version == after.version:
                    continue
                self._entries[cluster] = after
                for holder in self._holding[cluster]:
                    changed.setdefault(holder, []).append(after)
        for holder, entries in changed.items():
            shared = self._sets[holder]
            shared.resources = shared.resources.updated(entries, ())

    def _entry(self, cluster: Cluster) -> Entry:
        known = self._entries.get(cluster)
        if known is None:
            known = self._entries[cluster] = self._make(cluster)
            reference = cluster[1]
            self._showing.setdefault((reference.mesh, reference.service), set()).add(cluster)
        else:
            self.found += 1
        return known

    def _make(self, cluster: Cluster) -> Entry:
        name, reference = cluster
        self.built += 1
        return entry(types.ENDPOINT, name, assignment_bytes(self._find(name, reference)))

    def _forget(self, cluster: Cluster) -> None:
        del self._holding[cluster]
        del self._entries[cluster]
        service = (cluster[1].mesh, cluster[1].service)
        self._showing[service].discard(cluster)
        if not self._showing[service]:
            del self._showing[service]
