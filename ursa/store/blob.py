"""A resource as bytes, for engines that store opaque values. Key and version are kept beside it by the engine."""

from __future__ import annotations

import logging

import orjson

from ursa.model.resource import Resource, ResourceKey
from ursa.store.contract import MAX_BYTES, Change, TooLarge

log = logging.getLogger(__name__)


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


def unpack(key: ResourceKey, version: int, data: bytes) -> Resource:
    """The resource that was packed; raises ValueError when it is no such thing."""
    document = orjson.loads(data)
    try:
        return Resource(
            *key,
            document["spec"],
            document["labels"],
            document.get("status"),
            version,
            document["created"],
            document["modified"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{key} is stored in a form that is not known: {error!r}") from None


def readable(key: ResourceKey, version: int, data: bytes) -> Resource | None:
    """The resource that was packed; None, and a complaint, when somebody else wrote something there."""
    try:
        return unpack(key, version, data)
    except ValueError as error:
        log.error("what is stored cannot be read, it is left out", extra={"resource": str(key), "error": str(error)})
        return None


def pack_changes(changes: tuple[Change, ...], limit: int = MAX_BYTES) -> dict[ResourceKey, bytes | None]:
    """What to store at each key, None for what goes; raises TooLarge when it is more than `limit` bytes."""
    packed = {change.key: None if change.after is None else pack(change.after) for change in changes}
    size = sum(len("".join(key).encode()) + len(data or b"") for key, data in packed.items())
    if size > limit:
        raise TooLarge(f"a transaction of {size} bytes is larger than {limit}")
    return packed
