"""What contract tests write and how they read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ursa.model.resource import Resource
from ursa.store.contract import Batch, Store


def timeout(name: str, value: str = "5s", mesh: str = "default") -> Resource:
    return Resource("MeshTimeout", mesh, name, {"to": [{"default": {"connectionTimeout": value}}]}, {"a": "b"})


async def take(store: Store, after: int, count: int, patience: float = 10) -> list[Batch]:
    """The batches after a revision, up to the one with the `count`th change."""
    found: list[Batch] = []
    watching = store.watch(after)
    try:
        async with asyncio.timeout(patience):
            async for batch in watching:
                found.append(batch)
                if sum(len(one.changes) for one in found) >= count:
                    break
    finally:
        await watching.aclose()  # type: ignore[attr-defined]
    return found


def names(batches: list[Batch]) -> list[str]:
    """Names in the order in which they were changed."""
    return [change.key.name for batch in batches for change in batch.changes]


def by_name(resources: Iterable[Resource]) -> dict[str, Resource]:
    """The same resources in no order."""
    return {resource.name: resource for resource in resources}
