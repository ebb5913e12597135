"""What is true now: an immutable index over all resources, which shares structure with the views before and after it.

Everything downstream of the store is a function of a view, so nothing downstream reads the store, and whoever holds an
old view keeps a consistent one. A bucket, the map of one kind in one mesh, is the *same object* in two views between
which nothing in it changed; memoised functions use that identity as their key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from immutables import Map

from ursa.model.labels import SERVICE_TAG
from ursa.model.resource import Resource, ResourceKey
from ursa.store.contract import Batch, Change, Contents, Create, Damaged, Delete, Update, Write

Bucket: TypeAlias = Map[str, Resource]
ServiceKey: TypeAlias = tuple[str, str]
"""(mesh, value of `kuma.io/service`)."""

_EMPTY: Bucket = Map()
_NOTHING: Map[str, Bucket] = Map()


@dataclass(frozen=True, slots=True)
class Touched:
    """What changed between two views: for every key its state before and after."""

    changes: Mapping[ResourceKey, Change] = field(default_factory=lambda: MappingProxyType({}))

    def __bool__(self) -> bool:
        return bool(self.changes)

    @property
    def keys(self) -> frozenset[ResourceKey]:
        """All keys that changed."""
        return frozenset(self.changes)

    @property
    def kinds(self) -> frozenset[str]:
        """All kinds of which something changed."""
        return frozenset(key.kind for key in self.changes)

    @property
    def services(self) -> frozenset[ServiceKey]:
        """Services of which an instance was added, changed or removed."""
        return frozenset(
            (key.mesh, service)
            for key, change in self.changes.items()
            if key.kind == "Dataplane"
            for state in (change.before, change.after)
            if state is not None
            for service in services_of(state)
        )

    def of(self, kind: str) -> Iterator[Change]:
        """The changes of one kind."""
        return (change for key, change in self.changes.items() if key.kind == kind)

    def then(self, later: Touched) -> Touched:
        """Both steps as one; what came and went in between is left out."""
        merged = dict(self.changes)
        for key, change in later.changes.items():
            first = merged.pop(key, None)
            before = first.before if first is not None else change.before
            if before is not None or change.after is not None:
                merged[key] = Change(key, change.after, before)
        return Touched(merged)


class View:
    """All resources at one revision.

    What is damaged in the store while this process runs stays here as it was, and is known to be `damaged`; what was
    damaged before is not here, but is not missing either.
    """

    __slots__ = ("_kinds", "_serving", "damaged", "revision")

    def __init__(
        self,
        revision: int = 0,
        kinds: Map[str, Map[str, Bucket]] | None = None,
        serving: Map[ServiceKey, Bucket] | None = None,
        damaged: Map[ResourceKey, Damaged] | None = None,
    ) -> None:
        self.revision = revision
        self.damaged: Map[ResourceKey, Damaged] = damaged if damaged is not None else Map()
        self._kinds: Map[str, Map[str, Bucket]] = kinds if kinds is not None else Map()
        self._serving: Map[ServiceKey, Bucket] = serving if serving is not None else Map()

    def get(self, kind: str, mesh: str, name: str) -> Resource | None:
        """One resource, None when there is none; `mesh` is empty for global scope."""
        return self.bucket(kind, mesh).get(name)

    def bucket(self, kind: str, mesh: str) -> Bucket:
        """All resources of a kind in a mesh by name."""
        meshes = self._kinds.get(kind)
        return _EMPTY if meshes is None else meshes.get(mesh, _EMPTY)

    def list(self, kind: str, mesh: str | None = None) -> Sequence[Resource]:
        """All resources of a kind, of one mesh or of all, ordered by (mesh, name)."""
        meshes = self._kinds.get(kind, Map())
        chosen = sorted(meshes) if mesh is None else [mesh]
        return [bucket[name] for one in chosen for bucket in (meshes.get(one, _EMPTY),) for name in sorted(bucket)]

    def count(self, kind: str, mesh: str | None = None) -> int:
        """How many resources of a kind there are."""
        meshes = self._kinds.get(kind, Map())
        return sum(map(len, meshes.values())) if mesh is None else len(meshes.get(mesh, _EMPTY))

    def all(self) -> Iterator[Resource]:
        """Every resource, in no particular order."""
        return (r for meshes in self._kinds.values() for bucket in meshes.values() for r in bucket.values())

    def meshes(self) -> Sequence[str]:
        """Names of all meshes, sorted."""
        return sorted(self.bucket("Mesh", ""))

    def serving(self, mesh: str, service: str) -> Bucket:
        """Dataplanes of which an inbound or the gateway carries this `kuma.io/service`."""
        return self._serving.get((mesh, service), _EMPTY)

    def services(self, mesh: str) -> Sequence[str]:
        """All values of `kuma.io/service` in a mesh, sorted."""
        return sorted(service for of, service in self._serving if of == mesh)

    def apply(self, batch: Batch) -> tuple[View, Touched]:
        """The view after a batch. Changes this view already has are left out, so a batch may be applied twice."""
        kinds, serving, damaged = self._kinds, self._serving, self.damaged
        touched: dict[ResourceKey, Change] = {}
        for change in batch.changes:
            key, after = change.key, change.after
            if key in damaged and (after is None or after.version > damaged[key].version):
                damaged = damaged.delete(key)
            before = kinds.get(key.kind, _NOTHING).get(key.mesh, _EMPTY).get(key.name)
            if (after is None and before is None) or (after and before and after.version <= before.version):
                continue
            kinds = _put(kinds, key, after)
            if key.kind == "Dataplane":
                serving = _reindex(serving, before, after)
            first = touched.get(key)
            touched[key] = Change(key, after, first.before if first else before)
        for one in batch.damaged:
            damaged = damaged.set(one.key, one)
        return View(max(self.revision, batch.revision), kinds, serving, damaged), Touched(touched)

    def showing(self, forms: Mapping[ResourceKey, Resource | None]) -> View:
        """This view with other forms of some of its resources, or without them."""
        kinds, serving = self._kinds, self._serving
        for key, form in forms.items():
            before = self.get(*key)
            if before is None or before is form:
                continue
            kinds = _put(kinds, key, form)
            if key.kind == "Dataplane":
                serving = _reindex(serving, before, form)
        return View(self.revision, kinds, serving, self.damaged)

    def everything(self) -> Touched:
        """The step from an empty view to this one."""
        return Touched({resource.key: Change(resource.key, resource) for resource in self.all()})

    def catch_up(self, contents: Contents) -> tuple[View, Touched]:
        """The view that equals the contents, and what differs; for a start and for a feed that lost its past."""
        present = {resource.key for resource in contents.resources} | {damaged.key for damaged in contents.damaged}
        gone = [Change(resource.key, None) for resource in self.all() if resource.key not in present]
        come = [Change(resource.key, resource) for resource in contents.resources]
        healed = View(self.revision, self._kinds, self._serving)
        return healed.apply(Batch(contents.revision, (*gone, *come), contents.damaged))

    def replacing(self, resource: Resource) -> Write:
        """The write that stores what others derive anew: over what is here or damaged, or where nothing is."""
        here = self.damaged.get(resource.key) or self.get(*resource.key)
        return Create(resource) if here is None else Update(resource, here.version)

    def removing(self, resource: Resource) -> Delete:
        """The write that removes a resource of this view, if nobody has changed it since."""
        return Delete(resource.key, (self.damaged.get(resource.key) or resource).version)


def services_of(dataplane: Resource) -> frozenset[str]:
    """All values of `kuma.io/service` on a Dataplane's inbounds and gateway."""
    networking = dataplane.spec.get("networking") or {}
    parts = [*(networking.get("inbound") or ()), networking.get("gateway") or {}]
    return frozenset(tags[SERVICE_TAG] for part in parts if SERVICE_TAG in (tags := part.get("tags") or {}))


def _put(kinds: Map[str, Map[str, Bucket]], key: ResourceKey, after: Resource | None) -> Map[str, Map[str, Bucket]]:
    """The index with a resource in it that may be there, or without one that is."""
    meshes = kinds.get(key.kind, _NOTHING)
    bucket = meshes.get(key.mesh, _EMPTY)
    bucket = bucket.delete(key.name) if after is None else bucket.set(key.name, after)
    return kinds.set(key.kind, meshes.set(key.mesh, bucket) if bucket else meshes.delete(key.mesh))


def _reindex(
    serving: Map[ServiceKey, Bucket], before: Resource | None, after: Resource | None
) -> Map[ServiceKey, Bucket]:
    old: Iterable[str] = services_of(before) if before is not None else frozenset()
    new: Iterable[str] = services_of(after) if after is not None else frozenset()
    if before is not None:
        for service in frozenset(old) - frozenset(new):
            bucket = serving[before.mesh, service].delete(before.name)
            serving = serving.set((before.mesh, service), bucket) if bucket else serving.delete((before.mesh, service))
    if after is not None:
        for service in new:
            bucket = serving.get((after.mesh, service), _EMPTY).set(after.name, after)
            serving = serving.set((after.mesh, service), bucket)
    return serving
