"""Moves everything between a store and YAML documents: backup, restore, a change of store engine, test fixtures.

Import is verbatim: no defaults, no computed labels, no admission, because what comes in has been admitted before. It is
idempotent: what is already there, alike, is left alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from ursa.catalog import default_registry
from ursa.model.documents import load_documents
from ursa.model.forms import from_rest, to_rest
from ursa.model.resource import Resource
from ursa.runtime.clock import SystemClock
from ursa.runtime.config import Settings
from ursa.store.contract import Create, Update, Write
from ursa.store.engines import open_store
from ursa.store.portions import portions


@dataclass(slots=True)
class Count:
    """What an import did."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0


def run_import(settings: Settings, files: Sequence[Path]) -> Count:
    """Loads all documents of `files`; of several about one object the last counts.

    Raises:
        InvalidResource, BadRequest: a document cannot be read; nothing was written.
    """
    registry = default_registry()
    documents = [document for file in files for document in load_documents(file.read_text())]
    resources = {r.key: r for r in (from_rest(document, registry) for document in documents)}
    return asyncio.run(_import(settings, list(resources.values())))


def run_export(settings: Settings) -> Iterator[str]:
    """Every stored resource as a YAML document, meshes first so that a replay through the API works too."""
    registry = default_registry()
    stored = asyncio.run(_contents(settings))
    stored.sort(key=lambda r: (r.kind != "Mesh", r.kind, r.mesh, r.name))
    for resource in stored:
        yield "---\n" + yaml.dump(
            to_rest(resource, registry), Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True
        )


def run_migrate(settings: Settings) -> int:
    """Opens the store once, which creates or migrates it, and encrypts its secrets as they are to be encrypted now.

    Returns:
        How many secrets were encrypted anew.
    """
    return asyncio.run(_migrate(settings))


async def _migrate(settings: Settings) -> int:
    store = open_store(settings, SystemClock())
    await store.open()
    try:
        return await store.seal_anew()
    finally:
        await store.close()


async def _import(settings: Settings, resources: Sequence[Resource]) -> Count:
    count = Count()
    store = open_store(settings, SystemClock())
    await store.open()
    try:
        present = {resource.key: resource for resource in (await store.contents()).resources}
        writes = [w for r in resources if (w := _write_for(present.get(r.key), r, count))]
        for portion in portions(writes):
            await store.write(portion)
    finally:
        await store.close()
    return count


def _write_for(existing: Resource | None, resource: Resource, count: Count) -> Write | None:
    if existing is None:
        count.created += 1
        return Create(resource)
    if existing.same_content(resource):
        count.unchanged += 1
        return None
    count.updated += 1
    return Update(resource, existing.version)


async def _contents(settings: Settings) -> list[Resource]:
    store = open_store(settings, SystemClock())
    await store.open()
    try:
        return list((await store.contents()).resources)
    finally:
        await store.close()
