"""A store in front of another one: what every such layer has in common, which is to pass everything on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from ursa.model.resource import Resource, ResourceKey
from ursa.store.contract import Batch, Contents, Lease, Page, Store, Write


class Wrapper:
    """See `Store`; subclasses override what they are there for."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner

    async def open(self) -> None:
        await self._inner.open()

    async def close(self) -> None:
        await self._inner.close()

    async def get(self, key: ResourceKey) -> Resource:
        return await self._inner.get(key)

    async def list(
        self, kind: str, mesh: str | None = None, *, limit: int = 1000, after: tuple[str, str] | None = None
    ) -> Page:
        return await self._inner.list(kind, mesh, limit=limit, after=after)

    async def contents(self) -> Contents:
        return await self._inner.contents()

    async def write(self, writes: Sequence[Write], *, fence: Lease | None = None) -> tuple[int, tuple[Resource, ...]]:
        return await self._inner.write(writes, fence=fence)

    def watch(self, revision: int) -> AsyncIterator[Batch]:
        return self._inner.watch(revision)

    async def revision(self) -> int:
        return await self._inner.revision()

    async def acquire(self, name: str, holder: str, ttl: float) -> Lease:
        return await self._inner.acquire(name, holder, ttl)
