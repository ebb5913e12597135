"""The one way in: every write of a user passes here, whichever door it came through."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from ursa.admission import dataplanes, external_services, meshes
from ursa.admission.deletion import check_deletion, owned_by
from ursa.admission.place import Place, place_of
from ursa.admission.reading import Target, read
from ursa.admission.refusals import MeshNotFound, NotAsExpected, Stage, refuse
from ursa.errors import AlreadyExists, BadRequest, Conflict, NotFound
from ursa.model.json import Json
from ursa.model.kind import Kind, Registry
from ursa.model.labels import WORKLOAD, compute_labels, immutable_violations
from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.clock import Clock
from ursa.runtime.config.tree import Settings
from ursa.store.contract import Create, Damaged, Delete, Store, Stored, Unreadable, Update, Write
from ursa.store.portions import portions
from ursa.view.live import LiveView

log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds a writer waits until this process's own view shows the write; then it is answered all the same."""


@dataclass(frozen=True, slots=True)
class Written:
    """The outcome of a write.

    Attributes:
        resource: as it is stored now (for a dry run, as it would be).
        created: whether it did not exist before.
        changed: whether anything was written at all.
        revision: the one that brought this state: of this write, or of an earlier one when nothing changed.
        warnings: what the writer should know.
        before: as it was, None when there was none.
    """

    resource: Resource
    created: bool
    changed: bool
    revision: int
    warnings: tuple[str, ...] = ()
    before: Resource | None = None


@dataclass(frozen=True, slots=True)
class Deleted:
    """The outcome of a deletion: what is gone (for a dry run, what would be), and the revision of the store."""

    before: Resource
    revision: int


class ResourceManager:
    """Writes and deletes resources by the rules of this control plane's place."""

    def __init__(self, store: Store, live: LiveView, registry: Registry, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._live = live
        self._registry = registry
        self._clock = clock
        self._defaults = settings.defaults
        self.place: Place = place_of(settings)

    async def put(
        self, kind: Kind, mesh: str, name: str, document: Json, *, dry_run: bool = False, expected: int | None = None
    ) -> Written:
        """Creates or replaces one resource from its REST form.

        Args:
            kind: of the object, as the URL says.
            mesh: from the URL; empty for kinds of global scope.
            name: from the URL.
            document: the parsed body.
            dry_run: check everything, write nothing.
            expected: the version that the writer has seen, 0 if there was none; None if it does not care.

        Raises:
            ReadOnlyHere: the kind is not written on this control plane.
            MeshNotFound: the mesh does not exist.
            BadRequest, InvalidResource, Refused: the document is not acceptable.
            Conflict: somebody else changed the object meanwhile.
            NotAsExpected: somebody else did so before, since the writer has looked.
        """
        self.place.check_writable(kind)
        owner = await self._mesh(kind, mesh)
        resource = read(document, Target(kind, mesh, name), self._registry, self.place)
        there = await self._look(resource.key)
        _check_expected(resource.key, there, expected)
        before = None if isinstance(there, Damaged) else there
        resource = self._prepared(resource, kind, owner, before)
        await self._check_neighbours(resource, before)
        write = await self._write(resource, kind, before)
        if isinstance(there, Damaged):
            write = Update(resource, there.version)
        writes = [write, *await self._companions(resource, before)]
        warnings = tuple(kind.warnings(resource))
        if dry_run:
            changed = before is None or not before.same_content(resource)
            return Written(resource, before is None, changed, self._live.current.revision, warnings, before)
        revision, stored = await self._commit(writes, resource)
        await self._seen(revision)
        changed = before is None or stored[0].version != before.version
        holds = max(resource.version for resource in stored)
        return Written(stored[0], before is None, changed, holds, warnings, before)

    async def delete(
        self, kind: Kind, mesh: str, name: str, *, dry_run: bool = False, expected: int | None = None
    ) -> Deleted:
        """Deletes one resource and what belongs to it.

        Raises:
            ReadOnlyHere, MeshNotFound: see `put`.
            NotFound: there is no such object.
            Refused: something still needs it.
            NotAsExpected: it is not the version the caller has seen.
        """
        self.place.check_writable(kind)
        await self._mesh(kind, mesh)
        there = await self._look(ResourceKey(kind.name, mesh, name))
        if there is None:
            raise NotFound(f"{kind.name} {name!r} not found")
        _check_expected(there.key, there, expected)
        await self._seen(await self._store.revision())
        view = self._live.current
        # Of what cannot be read, nothing is known but what this process remembers.
        resource = (view.get(*there.key) or Resource(*there.key)) if isinstance(there, Damaged) else there
        check_deletion(resource, view, self.place)
        if dry_run:
            return Deleted(resource, view.revision)
        # What others depend on goes last, in case all of it is more than one transaction takes.
        deletes = [Delete(key) for key in (*owned_by(resource, view, self._registry, self.place), resource.key)]
        for portion in portions(deletes):
            revision, _ = await self._store.write(portion)
        await self._seen(revision)
        return Deleted(resource, revision)

    async def _commit(self, writes: Sequence[Write], resource: Resource) -> tuple[int, tuple[Resource, ...]]:
        where = f'type="{resource.kind}" name="{resource.name}" mesh="{resource.mesh}"'
        try:
            return await self._store.write(writes)
        except AlreadyExists:
            raise AlreadyExists(f"resource already exists: {where}") from None
        except (Conflict, NotFound):
            raise Conflict(f"resource conflict: {where}") from None

    async def _mesh(self, kind: Kind, mesh: str) -> Resource | None:
        if kind.global_scope:
            return None
        found = await self._find("Mesh", "", mesh)
        if found is None:
            raise MeshNotFound(f"mesh {mesh!r} does not exist")
        return found

    async def _find(self, kind: str, mesh: str, name: str) -> Resource | None:
        """From the store, not the view: another instance may have written it a moment ago."""
        try:
            return await self._store.get(ResourceKey(kind, mesh, name))
        except NotFound:
            return None

    async def _look(self, key: ResourceKey) -> Stored | None:
        try:
            return await self._store.get(key)
        except NotFound:
            return None
        except Unreadable as error:
            return error.damaged

    def _prepared(self, resource: Resource, kind: Kind, mesh: Resource | None, before: Resource | None) -> Resource:
        """The resource with everything the control plane adds to it."""
        if before is None:
            resource = resource.with_spec(kind.fill_defaults(resource.spec))
        else:
            resource = resource.with_status(before.status)
        if resource.kind == "Dataplane":
            dataplanes.check_workload(resource)
            resource = dataplanes.prepared(resource, self.place.zone, before)
            if mesh is not None:
                stage = Stage.CREATING if before is None else Stage.UPDATING
                refuse(stage, list(dataplanes.membership_violations(resource, mesh)))
        elif self.place.is_global and WORKLOAD in resource.labels and kind.name == "Workload":
            raise BadRequest(f'labels["{WORKLOAD}"]: not allowed on a global control plane')
        return resource.with_labels(compute_labels(resource, kind, self.place.locality))

    async def _check_neighbours(self, resource: Resource, before: Resource | None) -> None:
        """Checks a resource against others of its mesh, as the store has them now."""
        if resource.kind in external_services.KINDS:
            await self._seen(await self._store.revision())
            stage = Stage.CREATING if before is None else Stage.UPDATING
            refuse(stage, list(external_services.limit_violations(resource, self._live.current)))

    async def _write(self, resource: Resource, kind: Kind, before: Resource | None) -> Write:
        if before is None:
            if resource.kind == "Mesh":
                await meshes.check_new_mesh(resource, self._find)
            return Create(resource)
        old = compute_labels(before, kind, self.place.locality)
        refuse(Stage.RELABELLING, immutable_violations(old, resource.labels))
        if resource.kind == "Mesh":
            await meshes.check_changed_mesh(before, resource, self._find)
        return Update(resource, before.version)

    async def _companions(self, resource: Resource, before: Resource | None) -> Sequence[Write]:
        if resource.kind != "Mesh":
            return ()
        now = self._clock.now_ns()
        if before is None:
            made = await meshes.companions_of_new(resource, self._find, now, self._defaults)
        else:
            made = await meshes.missing_authorities(resource, self._find, now)
        return [Create(one) for one in made]

    async def _seen(self, revision: int) -> None:
        """Waits until this process reads what was written, so that a reader right after the writer finds it."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._live.wait_for(revision), PATIENCE)
            return
        log.warning("view lags behind the store", extra={"revision": revision})


def _check_expected(key: ResourceKey, before: Stored | None, expected: int | None) -> None:
    found = before.version if before is not None else 0
    if expected is not None and found != expected:
        where = f'type="{key.kind}" name="{key.name}" mesh="{key.mesh}"'
        raise NotAsExpected(f"the object has changed: {where} is at version {found}, not {expected}")
