"""A layer that looks at everything that is read, and may find that it is damaged after all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from ursa.model.resource import Resource, ResourceKey
from ursa.store.blob import batch_of, split, whole
from ursa.store.contract import Batch, Contents, Page, Stored
from ursa.store.wrapper import Wrapper


class Inspecting(Wrapper):
    """See `Store`; subclasses say in `inspect` what they see."""

    def inspect(self, resource: Resource) -> Stored:
        """What a resource in the store behind this one is in front of it."""
        raise NotImplementedError

    async def get(self, key: ResourceKey) -> Resource:
        return whole(key, self.inspect(await self._inner.get(key)))

    async def list(
        self, kind: str, mesh: str | None = None, *, limit: int = 1000, after: tuple[str, str] | None = None
    ) -> Page:
        page = await self._inner.list(kind, mesh, limit=limit, after=after)
        resources, _ = split(map(self.inspect, page.items))
        return replace(page, items=resources)

    async def contents(self) -> Contents:
        contents = await self._inner.contents()
        resources, damaged = split(map(self.inspect, contents.resources))
        return Contents(contents.revision, resources, (*contents.damaged, *damaged))

    async def watch(self, revision: int) -> AsyncIterator[Batch]:
        async for batch in self._inner.watch(revision):
            # What was there before is left out: consumers keep a view.
            states = ((c.key, None if c.after is None else self.inspect(c.after)) for c in batch.changes)
            seen = batch_of(batch.revision, states)
            yield replace(seen, damaged=(*batch.damaged, *seen.damaged))
