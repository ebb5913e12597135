"""Redis as the store of several control planes, for those who run it anyway.

A group of writes is decided here (`settle`) upon what was read and committed by one script, which compares the versions
of all it was decided upon; when one has changed the group is decided again. The feed is a stream whose ids are
revisions, so a missing one shows. A full read walks the resources while they change and then replays the stream over
what it has seen, so it never stops the server.

Redis may lose what it acknowledged, depending on its persistence; at the start that is looked up and said. A feed that
continues from a change the server no longer knows, or knows as another one, is told to begin anew.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ursa.errors import ConfigError, Unavailable, UrsaError
from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.clock import Clock
from ursa.runtime.config.store import StoreRedis
from ursa.store import redis_scripts as scripts
from ursa.store.beat_lease import BeatLeases
from ursa.store.blob import batch_of, key_from, pack, split, unpack, whole
from ursa.store.contract import Batch, Compacted, Contents, Fenced, Full, Lease, Page, Stored, Write
from ursa.store.group_writer import GroupWriter, Request
from ursa.store.redis_client import answered, connect, script, weaknesses, within
from ursa.store.redis_leases import RedisRegister
from ursa.store.settle import Outcome, settle
from ursa.store.transition import key_of
from ursa.store.tuning import USUAL, Tuning

log = logging.getLogger(__name__)

ATTEMPTS = 50
"""Times a group is decided again because other processes were faster; the time for a request ends it earlier."""

READ = 200
"""Entries of the stream, or resources, read at once: Redis serves nobody else meanwhile."""

GONE = "Redis holds another store than before, its contents were lost or replaced; " + (
    "restart this control plane if that was intended"
)


_VERSION = re.compile(rb"\d{1,18}")


@dataclass(frozen=True, slots=True)
class _Decided:
    """A group of writes, ready to be committed."""

    outcomes: Sequence[Outcome | UrsaError]
    batches: Sequence[Batch]
    revision: int
    versions: Mapping[ResourceKey, int]
    fences: Sequence[Lease]


class RedisStore:
    """See `Store`. All keys begin with `{prefix}`."""

    def __init__(self, access: StoreRedis, clock: Clock, tuning: Tuning = USUAL) -> None:
        self._access, self._clock, self._kept = access, clock, tuning.kept
        self._client = connect(access)
        base = f"{{{access.prefix}}}".encode()
        self._base = base
        self._head, self._all, self._changes = base + b":head", base + b":resources", base + b":changes"
        self._commit_script = script(self._client, scripts.COMMIT)
        self._page_script = script(self._client, scripts.PAGE)
        self._leases = BeatLeases(RedisRegister(self._client, base, access.request_timeout), clock)
        self._writer = GroupWriter(self._commit, "redis writer", tuning)
        self._name = clock.new_id()
        self._groups = 0
        self._identity = b""
        self._last: tuple[int, bytes] | None = None

    async def open(self) -> None:
        async with within(self._access.request_timeout):
            for weakness in await weaknesses(self._client):
                log.warning("redis could lose what it acknowledged", extra={"why": weakness})
            described = await script(self._client, scripts.OPEN)(
                [self._head], [self._clock.new_id(), scripts.SCHEMA_VERSION]
            )
        identity, schema = described
        if int(schema) != scripts.SCHEMA_VERSION:
            raise ConfigError(f"Redis has schema version {int(schema)}, this program knows {scripts.SCHEMA_VERSION}")
        self._identity = identity

    async def close(self) -> None:
        await self._leases.close()
        await self._writer.close()
        await self._client.aclose()
        await self._client.connection_pool.disconnect()

    async def get(self, key: ResourceKey) -> Resource:
        async with within(self._access.request_timeout):
            value = await answered(lambda: self._client.hget(self._all, _field(key)))
        return whole(key, None if value is None else _stored(key, value))

    async def list(
        self, kind: str, mesh: str | None = None, *, limit: int = 1000, after: tuple[str, str] | None = None
    ) -> Page:
        first = b"-" if mesh is None else b"[" + mesh.encode() + b"\0"
        last = b"+" if mesh is None else b"(" + mesh.encode() + b"\1"
        if after is not None:
            cursor = b"(" + "\0".join(after).encode()
            first = cursor if mesh is None or cursor[1:] > first[1:] else first
        keys = [self._head, self._all, self._base + b":index:" + kind.encode()]
        async with within(self._access.request_timeout):
            revision, places, values = await answered(lambda: self._page_script(keys, [first, last, limit + 1, kind]))
        found = [ResourceKey(kind, *place.decode().split("\0")) for place in places]
        there = zip(found[:limit], values, strict=False)
        resources, _ = split(_stored(key, value) for key, value in there if value is not None)
        rest = (found[limit - 1].mesh, found[limit - 1].name) if len(found) > limit else None
        return Page(resources, rest, int(revision))

    async def contents(self) -> Contents:
        while True:
            try:
                return await self._contents()
            except Compacted:
                log.info("changes were dropped during a full read, starting it again")

    async def write(self, writes: Sequence[Write], *, fence: Lease | None = None) -> tuple[int, tuple[Resource, ...]]:
        return await self._writer.write(writes, fence)

    async def watch(self, revision: int) -> AsyncIterator[Batch]:
        await self._check_past(revision)
        while True:
            batches = await self._after(revision, block=True)
            for batch in batches:
                revision = batch.revision
                yield batch
            if not batches:
                await self._check_past(revision)

    async def revision(self) -> int:
        return (await self._look())[0]

    async def acquire(self, name: str, holder: str, ttl: float) -> Lease:
        return await self._leases.acquire(name, holder, ttl)

    async def _look(self) -> tuple[int, int]:
        """Newest revision and the one up to which changes were dropped; makes sure this is still the same store."""
        async with within(self._access.request_timeout):
            found = await answered(lambda: self._client.hmget(self._head, ["identity", "revision", "compacted"]))
        identity, revision, compacted = found
        if not self._identity or identity != self._identity:
            raise Unavailable(GONE if self._identity else "the store is not open")
        return int(revision), int(compacted)

    async def _check_past(self, revision: int) -> None:
        newest, compacted = await self._look()
        if revision < compacted:
            raise Compacted(f"changes after revision {revision} are no longer held, the oldest is {compacted}")
        if revision > newest:
            raise Compacted(f"Redis is at revision {newest}, before {revision}: it lost or was given older contents")
        if self._last is not None and self._last[0] == revision:
            async with within(self._access.request_timeout):
                found = await answered(lambda: self._client.xrange(self._changes, f"{revision}-0", f"{revision}-0"))
            if found and found[0][1].get(b"", b"") != self._last[1]:
                # Said once: whoever has read everything anew goes on from the revision that is there now.
                self._last = None
                raise Compacted(f"Redis lost revision {revision} and has another one in its place")

    async def _after(self, revision: int, *, block: bool) -> Sequence[Batch]:
        wait = self._access.watch_timeout if block else 0.0
        async with within(wait + self._access.request_timeout):
            found = await self._client.xread(
                {self._changes: f"{revision}-0"}, count=READ, block=int(wait * 1000) or None
            )
        batches = []
        for entry, fields in _entries(found):
            at = int(entry.split(b"-")[0])
            if at != revision + 1:
                raise Compacted(f"changes after revision {revision} are no longer held, the next is {at}")
            revision = at
            self._last = at, fields.pop(b"", b"")
            written = ((_key(field), body) for field, body in fields.items())
            states = ((key, unpack(key, at, body) if body else None) for key, body in written if key)
            batches.append(batch_of(at, states))
        return batches

    async def _contents(self) -> Contents:
        start, _ = await self._look()
        present: dict[ResourceKey, Stored] = {}
        cursor = 0
        while True:
            async with within(self._access.request_timeout):
                cursor, part = await self._client.hscan(self._all, cursor, count=READ)
            present |= {key: _stored(key, value) for field, value in part.items() if (key := _key(field))}
            if not cursor:
                break
        newest, _ = await self._look()
        while start < newest:
            for batch in await self._after(start, block=False):
                start = batch.revision
                for change in batch.changes:
                    if change.after is None:
                        present.pop(change.key, None)
                    else:
                        present[change.key] = change.after
                present |= {damaged.key: damaged for damaged in batch.damaged}
        return Contents(start, *split(present.values()))

    async def _commit(self, group: Sequence[Request]) -> Sequence[Outcome | UrsaError]:
        self._groups += 1
        deadline = self._clock.monotonic() + self._access.request_timeout
        decided: _Decided | None = None
        for _ in range(ATTEMPTS):
            try:
                # What may have been stored already is offered again as it was, then Redis knows it as the same group.
                decided = decided or await self._decide(group)
                base = await self._store(decided) if decided.batches else decided.revision
            except Full:
                raise
            except Unavailable as error:
                if self._clock.monotonic() + 0.5 > deadline:
                    doubt = "; it is unknown whether the write was stored" if decided else ""
                    raise Unavailable(f"{error}{doubt}") from None
                await self._clock.sleep(self._clock.uniform(0.1, 0.4))
                continue
            if base is not None:
                return [_moved(outcome, base - decided.revision) for outcome in decided.outcomes]
            decided = None
            await self._clock.sleep(self._clock.uniform(0, 0.01))
        raise Unavailable("Redis: other writers always came first")

    async def _decide(self, group: Sequence[Request]) -> _Decided:
        keys = list(dict.fromkeys(key_of(write) for request in group for write in request.writes))
        fences = list({request.fence for request in group if request.fence is not None})
        async with within(self._access.request_timeout), self._client.pipeline(transaction=False) as reads:
            # Redis takes no transactions when it is full. The commit compares everything, so it is enough that the
            # revision, read last, is not before any of the versions.
            for start in range(0, len(keys), READ):
                reads.hmget(self._all, [_field(key) for key in keys[start : start + READ]])
            for fence in fences:
                reads.hmget(self._base + b":lease:" + fence.name.encode(), ["holder", "token"])
            reads.hmget(self._head, ["identity", "revision"])
            *found, (identity, newest) = await reads.execute()
        if identity != self._identity:
            raise Unavailable(GONE)
        values = [value for part in found[: len(found) - len(fences)] for value in part]
        there = zip(keys, values, strict=True)
        present = {key: _stored(key, value) for key, value in there if value is not None}
        entries = found[len(found) - len(fences) :]
        lost = {f for f, (holder, token) in zip(fences, entries, strict=True) if not holder or int(token) != f.token}
        able = [request for request in group if request.fence not in lost]
        outcomes = iter(settle([r.writes for r in able], present.get, revision=int(newest), now=self._clock.now_ns()))
        decided = [_fenced(r.fence) if r.fence is not None and r.fence in lost else next(outcomes) for r in group]
        return _Decided(
            decided,
            [o[0] for o in decided if not isinstance(o, UrsaError) and o[0] is not None],
            int(newest),
            {key: present[key].version if key in present else 0 for key in keys},
            [fence for fence in fences if fence not in lost],
        )

    async def _store(self, decided: _Decided) -> int | None:
        """The revision before the first of the batches, None when something has changed since they were decided."""
        arguments: list[object] = [self._base, self._identity, f"{self._name}:{self._groups}", self._kept]
        arguments += [len(decided.fences), *(part for f in decided.fences for part in (f.name, f.token))]
        arguments.append(len(decided.versions))
        arguments += [part for key, version in decided.versions.items() for part in (_field(key), version)]
        arguments.append(len(decided.batches))
        for batch in decided.batches:
            arguments.append(len(batch.changes))
            for change in batch.changes:
                arguments += (_field(change.key), b"" if change.after is None else pack(change.after))
        keys = [self._head, self._all, self._changes, self._base + b":done:" + self._name.encode()]
        async with within(self._access.request_timeout):
            result, base = await self._commit_script(keys, arguments)
        if result == b"gone":
            raise Unavailable(GONE)
        return int(base) if result == b"stored" else None


def _field(key: ResourceKey) -> bytes:
    return "\0".join(key).encode()


def _key(field: bytes) -> ResourceKey | None:
    """The resource that a field is about; None when somebody else wrote it."""
    try:
        return key_from(field)
    except ValueError:
        log.error("a field among those of resources is none of ours", extra={"field": repr(field)})
        return None


def _stored(key: ResourceKey, value: bytes) -> Stored:
    """What stands at a key; the version is read as the scripts read it."""
    version = _VERSION.match(value)
    _, _, body = value.partition(b":")
    return unpack(key, int(version[0]) if version else 0, body)


def _entries(found: Any) -> Sequence[tuple[bytes, dict[bytes, bytes]]]:
    """The entries of the one stream that was read, in either form of the protocol."""
    if not found:
        return ()
    ((_, entries),) = found.items() if isinstance(found, dict) else found
    return entries[0] if isinstance(found, dict) and entries and isinstance(entries[0], list) else entries


def _fenced(fence: Lease) -> Fenced:
    return Fenced(f"the lease {fence.name} is no longer held")


def _moved(outcome: Outcome | UrsaError, by: int) -> Outcome | UrsaError:
    """The outcome with the revisions that Redis gave, when others wrote other resources in between."""
    if isinstance(outcome, UrsaError) or outcome[0] is None or by == 0:
        return outcome
    batch, revision, stored = outcome
    moved = (replace(r, version=r.version + by) if r.version == revision else r for r in stored)
    return batch, revision + by, tuple(moved)
