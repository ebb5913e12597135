"""What one write does to one resource: the rules every engine applies inside its transaction, stated once."""

from __future__ import annotations

from dataclasses import replace

from ursa.errors import AlreadyExists, Conflict, NotFound
from ursa.model.resource import Resource, ResourceKey
from ursa.store.contract import Change, Create, Damaged, Delete, Stored, Update, Write


def key_of(write: Write) -> ResourceKey:
    """The resource a write is about."""
    return write.key if isinstance(write, Delete) else write.resource.key


def transition(write: Write, stored: Stored | None, revision: int, now: int) -> Change | None:
    """The change a write makes, or None when it changes nothing.

    Args:
        write: what is asked for.
        stored: what is there, None when nothing is.
        revision: revision the change will get.
        now: nanoseconds since the epoch.

    Raises:
        AlreadyExists, NotFound, Conflict: as the contract says.
    """
    key = key_of(write)
    if isinstance(write, Create):
        if stored is not None:
            raise AlreadyExists(str(stored) if isinstance(stored, Damaged) else f"{key} already exists")
        return Change(key, _timed(write, revision, created=now, now=now))
    if stored is None:
        raise NotFound(f"{key} not found")
    if write.expected is not None and write.expected != stored.version:
        raise Conflict(f"{key} was changed meanwhile: version {stored.version} is not {write.expected}")
    if isinstance(write, Delete):
        return Change(key, None, None if isinstance(stored, Damaged) else stored)
    if isinstance(stored, Damaged):
        return Change(key, _timed(write, revision, created=now, now=now))
    if write.resource.same_content(stored):
        return None
    return Change(key, _timed(write, revision, created=stored.created, now=now), stored)


def _timed(write: Create | Update, revision: int, *, created: int, now: int) -> Resource:
    """The resource as it is to be stored."""
    resource = write.resource
    if write.keep_times:
        created, now = resource.created or created, resource.modified or now
    return replace(resource, version=revision, created=created, modified=now)
