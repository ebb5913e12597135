"""A resource as bytes, for engines that store opaque values. Key and version are kept beside it by the engine.

What is read may be anything: somebody edited it, a disk lost part of it. See `Damaged`.
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from ursa.errors import NotFound
from ursa.model.resource import Resource, ResourceKey
from ursa.store.contract import MAX_BYTES, Batch, Change, Damaged, Stored, TooLarge, Unreadable


def pack(resource: Resource) -> bytes:
    """Everything but key and version."""
    return orjson.dumps(
        {
            "created": resource.created,
            "modified": resource.modified,
            "spec": resource.spec,
            "labels": dict(resource.labels),
            **({} if resource.status is None else {"status": resource.status}),
        }
    )


def unpack(key: ResourceKey, version: int, data: bytes) -> Stored:
    """The resource that was packed, or what is wrong with it."""
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        return Damaged(key, version, f"not JSON: {error.msg} at byte {error.pos} of {len(data)}")
    if not isinstance(document, dict):
        return Damaged(key, version, "not a JSON object")
    return assemble(
        key,
        version,
        spec=document.get("spec"),
        labels=document.get("labels"),
        status=document.get("status"),
        times=(document.get("created"), document.get("modified")),
    )


def assemble(
    key: ResourceKey, version: int, *, spec: object, labels: object, status: object, times: tuple[object, object]
) -> Stored:
    """The resource of these parts, or what is wrong with them."""
    if not isinstance(spec, dict):
        return Damaged(key, version, "its spec is missing or no JSON object")
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        return Damaged(key, version, "its labels are missing or not all texts")
    if status is not None and not isinstance(status, dict):
        return Damaged(key, version, "its status is no JSON object")
    created, modified = times
    if not isinstance(created, int) or not isinstance(modified, int):
        return Damaged(key, version, "its times are missing or no whole numbers")
    return Resource(*key, spec, labels, status, version, created, modified)


def split(found: Iterable[Stored]) -> tuple[tuple[Resource, ...], tuple[Damaged, ...]]:
    """Resources and damage, each in the order in which they came."""
    resources: list[Resource] = []
    damaged: list[Damaged] = []
    for one in found:
        if isinstance(one, Damaged):
            damaged.append(one)
        else:
            resources.append(one)
    return tuple(resources), tuple(damaged)


def batch_of(revision: int, found: Iterable[tuple[ResourceKey, Stored | None]]) -> Batch:
    """The batch of what stands at some keys after a revision; None = nothing any more."""
    states = list(found)
    changes = (Change(key, state) for key, state in states if not isinstance(state, Damaged))
    return Batch(revision, tuple(changes), tuple(state for _, state in states if isinstance(state, Damaged)))


def whole(key: ResourceKey, found: Stored | None) -> Resource:
    """The resource that was asked for; raises NotFound and Unreadable."""
    if found is None:
        raise NotFound(f"{key} not found")
    if isinstance(found, Damaged):
        raise Unreadable(found)
    return found


def key_from(raw: bytes) -> ResourceKey:
    """The key in `<kind>\\0<mesh>\\0<name>`; raises ValueError when it is none."""
    kind, mesh, name = raw.decode().split("\0")
    return ResourceKey(kind, mesh, name)


def pack_changes(changes: tuple[Change, ...], limit: int = MAX_BYTES) -> dict[ResourceKey, bytes | None]:
    """What to store at each key, None for what goes; raises TooLarge when it is more than `limit` bytes."""
    packed = {change.key: None if change.after is None else pack(change.after) for change in changes}
    size = sum(len("".join(key).encode()) + len(data or b"") for key, data in packed.items())
    if size > limit:
        raise TooLarge(f"a transaction of {size} bytes is larger than {limit}")
    return packed
