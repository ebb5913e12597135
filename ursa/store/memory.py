"""The engine for tests and for trying things out: everything is gone when the process ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from ursa.errors import NotFound
from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.clock import Clock
from ursa.store.contract import Batch, Contents, Lease, Page, Write
from ursa.store.feed import Feed
from ursa.store.local_lease import LocalLeases
from ursa.store.settle import settle_one


class MemoryStore:
    """See `Store`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._resources: dict[ResourceKey, Resource] = {}
        self._revision = 0
        self._tokens: dict[str, int] = {}
        self._feed = Feed()
        self._leases = LocalLeases(self._next_token)

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        self._feed.close()
        self._leases.close()

    async def get(self, key: ResourceKey) -> Resource:
        try:
            return self._resources[key]
        except KeyError:
            raise NotFound(f"{key} not found") from None

    async def list(
        self, kind: str, mesh: str | None = None, *, limit: int = 1000, after: tuple[str, str] | None = None
    ) -> Page:
        found = sorted(
            (r for r in self._resources.values() if r.kind == kind and mesh in (None, r.mesh)),
            key=lambda r: (r.mesh, r.name),
        )
        if after is not None:
            found = [r for r in found if (r.mesh, r.name) > after]
        items = tuple(found[:limit])
        more = len(found) > limit
        return Page(items, (items[-1].mesh, items[-1].name) if more else None, self._revision)

    async def contents(self) -> Contents:
        return Contents(self._revision, tuple(self._resources.values()))

    async def write(self, writes: Sequence[Write], *, fence: Lease | None = None) -> tuple[int, tuple[Resource, ...]]:
        self._leases.check(fence)
        batch, revision, stored = settle_one(writes, self._resources.get, self._revision, self._clock.now_ns())
        if batch is not None:
            self._commit(batch)
        return revision, stored

    def watch(self, revision: int) -> AsyncIterator[Batch]:
        return self._feed.watch(revision)

    async def revision(self) -> int:
        return self._revision

    async def acquire(self, name: str, holder: str, ttl: float) -> Lease:
        return await self._leases.acquire(name)

    async def _next_token(self, name: str) -> int:
        self._tokens[name] = self._tokens.get(name, 0) + 1
        return self._tokens[name]

    def _commit(self, batch: Batch) -> None:
        for change in batch.changes:
            if change.after is None:
                self._resources.pop(change.key, None)
            else:
                self._resources[change.key] = change.after
        self._revision = batch.revision
        self._feed.publish(batch)
