"""What one write does to one resource: the rules every engine applies inside its transaction, stated once."""

from __future__ import annotations

from dataclasses import replace

from ursa.errors import AlreadyExists, Conflict, NotFound
from ursa.model.resource import Resource, ResourceKey
from ursa.store.contract import Change, Create, Delete, Write


def key_of(write: Write) -> ResourceKey:
    """The resource a write is about."""
    return write.key if isinstance(write, Delete) else write.resource.key


def transition(write: Write, stored: Resource | None, revision: int, now: int) -> Change | None:
    """The change a write makes, or None when it changes nothing.

    Args:
        write: what is asked for.
        stored: the resource as it is, None when there is none.
        revision: revision the change will get.
        now: nanoseconds since the epoch.

    Raises:
        AlreadyExists, NotFound, Conflict: as the contract says.
    """
    key = key_of(write)
    if isinstance(write, Create):
        if stored is not None:
            raise AlreadyExists(f"{key} already exists")
        return Change(key, replace(write.resource, version=revision, created=now, modified=now))
    if stored is None:
        raise NotFound(f"{key} not found")
    if write.expected is not None and write.expected != stored.version:
        raise Conflict(f"{key} was changed meanwhile: version {stored.version} is not {write.expected}")
    if isinstance(write, Delete):
        return Change(key, None, stored)
    if write.resource.same_content(stored):
        return None
    after = replace(write.resource, version=revision, created=stored.created, modified=now)
    return Change(key, after, stored)
