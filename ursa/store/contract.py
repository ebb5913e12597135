"""What a store promises. One suite, `tests/contract/`, decides for every engine whether it keeps the promise.

Every accepted write gets a *revision*: a store-wide integer that only grows. A resource's `version` is the revision of
its last change, so an expected version is a compare-and-set. The change feed replays every write after a revision in
order and without gaps; when the past it is asked for is gone it says so (`Compacted`) instead of skipping. Revisions
need not follow each other without holes: engines that share their counter with others (etcd) skip numbers. Writes of
different resources that wait together may be committed together and then share a revision (etcd); no resource ever has
two states at one revision.

What a store lost is not what somebody deleted. Engines that outlive their server (etcd, PostgreSQL, Redis) give it an
identity when they first use it and raise `Unavailable` when they meet another one, so that a wiped server never empties
the views of running control planes.

What stands in a resource's place and cannot be read (edited by hand, cut off, written by something else) is `Damaged`.
It is told apart from what is not there: it is reported with its reason, keeps no other resource from being read, and is
replaced by nothing but an `Update` or removed by a `Delete`. Its text never quotes what is stored, which may be secret.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ursa.errors import BadRequest, Unavailable, UrsaError
from ursa.model.resource import Resource, ResourceKey

MAX_WRITES = 2000
"""Writes that every engine takes in one transaction."""

MAX_BYTES = 1_250_000
"""Size of what every engine takes in one transaction, keys, specs, labels and statuses as JSON."""


class Compacted(UrsaError):
    """The feed no longer holds the revision asked for; the caller must read a snapshot and go on from there."""


class Fenced(Unavailable):
    """The write was made in the name of a lease that somebody else holds by now, or nobody; nothing was stored."""


class Full(Unavailable):
    """The store has no room for the write, nothing was stored; what needs no room goes on."""


class TooLarge(BadRequest):
    """The transaction is larger than the engine takes."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """What is stored at a resource's key and is none."""

    key: ResourceKey
    version: int
    reason: str

    def __str__(self) -> str:
        return f"{self.key} is stored, at version {self.version}, but cannot be read: {self.reason}"


class Unreadable(UrsaError):
    """The resource asked for is damaged."""

    def __init__(self, damaged: Damaged) -> None:
        super().__init__(f"{damaged}; write it anew or delete it")
        self.damaged = damaged


Stored = Resource | Damaged
"""What stands at a key."""


@dataclass(frozen=True, slots=True)
class Create:
    """Stores a new resource; AlreadyExists when its key is taken.

    `keep_times` is for resources that move here from another store: their times stay what they were there, as far as
    they are known. Versions are revisions of the store they are in, so they cannot move.
    """

    resource: Resource
    keep_times: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    """Replaces a resource.

    `expected` is the version the writer has seen (Conflict when it is not the stored one), or None to overwrite
    whatever is there. NotFound when nothing is there. For `keep_times` see `Create`.
    """

    resource: Resource
    expected: int | None = None
    keep_times: bool = False


@dataclass(frozen=True, slots=True)
class Delete:
    """Removes a resource; NotFound when it does not exist, Conflict when `expected` is not its version."""

    key: ResourceKey
    expected: int | None = None


Write = Create | Update | Delete


@dataclass(frozen=True, slots=True)
class Change:
    """One resource as it was and as it is after one write; `before` is None on creation, `after` on deletion.

    Engines that cannot know `before` leave it None for updates and deletions too; consumers that need it keep a view.
    """

    key: ResourceKey
    after: Resource | None
    before: Resource | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """All changes of one revision: of a transaction, or of several that were committed together and share it.

    `damaged` is what was damaged at that revision, by somebody who writes past us.
    """

    revision: int
    changes: tuple[Change, ...]
    damaged: tuple[Damaged, ...] = ()


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything in the store at one revision."""

    revision: int
    resources: tuple[Resource, ...]
    damaged: tuple[Damaged, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a listing in order of (mesh, name); `after` is the cursor of the next part, None at the end.

    What is damaged is left out, so a page may hold less than asked for.
    """

    items: tuple[Resource, ...]
    after: tuple[str, str] | None
    revision: int


class Lease(Protocol):
    """Leadership held for a while. `token` grows with every new holder, so that a stale one can be fenced off."""

    @property
    def name(self) -> str:
        """What the lease is for."""

    @property
    def token(self) -> int:
        """Fencing token: larger than that of any earlier holder."""

    @property
    def held(self) -> bool:
        """Whether the lease is certainly still ours."""

    async def lost(self) -> None:
        """Returns when the lease is no longer ours."""

    async def release(self) -> None:
        """Gives the lease up, so that another instance can have it at once."""


class Store(Protocol):
    """A durable, watchable map of resources. All engines raise Unavailable when they cannot be reached."""

    async def open(self) -> None:
        """Connects, creates or migrates what the engine needs."""

    async def close(self) -> None:
        """Releases everything; pending watches end."""

    async def get(self, key: ResourceKey) -> Resource:
        """The resource; raises NotFound and Unreadable."""

    async def list(
        self, kind: str, mesh: str | None = None, *, limit: int = 1000, after: tuple[str, str] | None = None
    ) -> Page:
        """A page of resources of one kind, of one mesh or of all, ordered by (mesh, name)."""

    async def contents(self) -> Contents:
        """A consistent copy of everything, with the revision to watch from."""

    async def write(self, writes: Sequence[Write], *, fence: Lease | None = None) -> tuple[int, tuple[Resource, ...]]:
        """Applies all writes in one transaction or none.

        Args:
            writes: what to do, in order.
            fence: a lease in whose name this happens; the store itself checks that it is still held.

        Raises:
            AlreadyExists, NotFound, Conflict: see `Create`, `Update`, `Delete`.
            Fenced: the lease was lost.
            TooLarge: more than `MAX_WRITES` or, in engines with a limit, about `MAX_BYTES`.
            Full: there is no room for it.
            Unavailable: the store cannot be reached. The text says so when it is unknown whether the writes happened.

        Returns:
            The revision produced and the stored form (version and times filled in) of each created or updated
            resource, in order. A write that changes neither spec, labels nor status is not stored: the resource keeps
            its version and modification time, and when nothing changes at all the current revision is returned.
        """

    def watch(self, revision: int) -> AsyncIterator[Batch]:
        """All batches after `revision`, for ever; raises Compacted at the start when they are no longer held."""

    async def revision(self) -> int:
        """The newest revision."""

    async def acquire(self, name: str, holder: str, ttl: float) -> Lease:
        """Waits until the named lease is free, takes it for `holder` and keeps renewing it every `ttl / 3` seconds."""


async def create(store: Store, resource: Resource) -> Resource:
    """Stores one new resource and returns its stored form."""
    _, (stored,) = await store.write([Create(resource)])
    return stored


async def update(store: Store, resource: Resource, expected: int | None = None) -> Resource:
    """Replaces one resource and returns its stored form."""
    _, (stored,) = await store.write([Update(resource, expected)])
    return stored


async def delete(store: Store, key: ResourceKey, expected: int | None = None) -> None:
    """Removes one resource."""
    await store.write([Delete(key, expected)])
