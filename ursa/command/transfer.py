"""Moves everything between a store and YAML documents: backup, restore, a change of store engine, test fixtures.

Import is verbatim: no defaults, no computed labels, no admission, because what comes in has been admitted before. Times
of creation and modification stay what they were; versions are revisions of one store and begin anew. Import can be
repeated: what is already there, alike, is left alone.

What cannot be read is left out of an export and named at its end, so that one bad object does not keep the others from
being saved, and nobody takes the export for complete.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from ursa.catalog import default_registry
from ursa.errors import NotFound, UrsaError
from ursa.model.documents import load_documents
from ursa.model.forms import from_rest, to_rest
from ursa.model.json import JsonObject
from ursa.model.resource import Resource, ResourceKey
from ursa.model.timestamps import parse_timestamp
from ursa.runtime.clock import SystemClock
from ursa.runtime.config import Settings
from ursa.store.contract import Contents, Create, Stored, Update, Write
from ursa.store.engines import open_store
from ursa.store.portions import portions


@dataclass(slots=True)
class Count:
    """What an import did."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0


class Incomplete(UrsaError):
    """Something could not be exported."""


def run_import(settings: Settings, files: Sequence[Path]) -> Count:
    """Loads all documents of `files`; of several about one object the last counts.

    Raises:
        InvalidResource, BadRequest: a document cannot be read; nothing was written.
    """
    registry = default_registry()
    documents = [document for file in files for document in load_documents(file.read_text())]
    resources = {r.key: r for r in (_timed(from_rest(document, registry), document) for document in documents)}
    return asyncio.run(_import(settings, list(resources.values())))


def run_export(settings: Settings) -> Iterator[str]:
    """Every stored resource as a YAML document, meshes first so that a replay through the API works too.

    Raises:
        Incomplete: at the end, when there was something that cannot be read.
    """
    registry = default_registry()
    contents = asyncio.run(_contents(settings))
    problems = [str(damaged) for damaged in contents.damaged]
    for resource in sorted(contents.resources, key=lambda r: (r.kind != "Mesh", r.kind, r.mesh, r.name)):
        try:
            document = to_rest(resource, registry)
        except NotFound as error:
            problems.append(f"{resource.key}: {error}")
            continue
        yield "---\n" + yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)
    if problems:
        raise Incomplete("not everything could be exported: " + "; ".join(problems))


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
        contents = await store.contents()
        present: dict[ResourceKey, Stored] = {resource.key: resource for resource in contents.resources}
        present |= {damaged.key: damaged for damaged in contents.damaged}
        writes = [w for r in resources if (w := _write_for(present.get(r.key), r, count))]
        for portion in portions(writes):
            await store.write(portion)
    finally:
        await store.close()
    return count


def _timed(resource: Resource, document: JsonObject) -> Resource:
    created, modified = (parse_timestamp(str(document.get(of, ""))) for of in ("creationTime", "modificationTime"))
    return replace(resource, created=created, modified=modified)


def _write_for(existing: Stored | None, resource: Resource, count: Count) -> Write | None:
    if existing is None:
        count.created += 1
        return Create(resource, keep_times=True)
    if isinstance(existing, Resource) and existing.same_content(resource):
        count.unchanged += 1
        return None
    count.updated += 1
    return Update(resource, existing.version, keep_times=True)


async def _contents(settings: Settings) -> Contents:
    store = open_store(settings, SystemClock())
    await store.open()
    try:
        return await store.contents()
    finally:
        await store.close()
