"""The distributed engine: etcd keeps the resources, several control planes share them.

etcd's own revision is the store's revision and a key's `mod_revision` the version of its resource, so nothing is
counted twice and writers of different resources never wait for each other. A write reads what it is about, decides as
every engine does (`transition`), and commits one transaction that compares everything it has read; when a comparison
fails it decides again. Creation, the common case of a storm, assumes that nothing is there and needs one journey.

The feed is etcd's watch. It is resumed here, on another endpoint if need be, for as long as a call may take; after that
the reader is told. History is compacted after many writes, never by a timer: 20 000 revisions stay, as in SQLite.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import groupby

from ursa.errors import Conflict, NotFound, Unavailable, UrsaError
from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.clock import Clock
from ursa.runtime.tasks import cancel_and_wait, spawn
from ursa.store import etcd_keys as op
from ursa.store.blob import pack_changes, readable
from ursa.store.contract import Batch, Change, Compacted, Contents, Create, Fenced, Lease, Page, Write
from ursa.store.etcd_client import COMPACT, RANGE, TXN, WATCH, EtcdAccess, EtcdClient
from ursa.store.etcd_keys import FAN_OUT, Keys, end_of, flat, nested
from ursa.store.etcd_lease import EtcdLeases
from ursa.store.settle import check_count, settle_one
from ursa.store.transition import key_of
from ursa.wire import etcd_pb2 as pb

log = logging.getLogger(__name__)

ATTEMPTS = 20
"""Times a write decides again because others were faster."""

PAGE_BYTES = 4_000_000
"""Size that a page of a full read should have."""

KEPT_REVISIONS = 20_000
COMPACT_EVERY = 10_000
"""Own writes after which older history is dropped."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a write decides upon."""

    revision: int
    head: int
    resources: dict[ResourceKey, Resource]


_NOTHING = _Seen(0, 0, {})


class EtcdStore:
    """See `Store`. All keys lie below `prefix`, so that several stores can share one cluster."""

    def __init__(self, access: EtcdAccess, clock: Clock, *, prefix: str = "/ursa", compact: bool = True) -> None:
        self._clock, self._compact = clock, compact
        self._keys = Keys(prefix)
        self._client = EtcdClient(access, clock)
        self._leases = EtcdLeases(self._client, self._keys, clock)
        self._identity: tuple[bytes, int] | None = None
        self._writes = 0
        self._compacting: asyncio.Task[None] | None = None

    async def open(self) -> None:
        created = op.put(self._keys.identity, self._clock.new_id().encode())
        request = pb.TxnRequest(
            compare=[op.same_origin(self._keys.identity, 0)],
            success=[created, op.put(self._keys.head, b"")],
        )
        await self._client.call(TXN, request)
        found = (await self._client.call(RANGE, pb.RangeRequest(key=self._keys.identity))).kvs
        if not found:
            raise Unavailable("etcd: the identity of the store is gone again")
        self._identity = found[0].value, found[0].create_revision

    async def close(self) -> None:
        if self._compacting is not None:
            await cancel_and_wait(self._compacting)
        await self._leases.close()
        await self._client.close()

    async def get(self, key: ResourceKey) -> Resource:
        seen = await self._see([key])
        if key not in seen.resources:
            raise NotFound(f"{key} not found")
        return seen.resources[key]

    async def list(
        self, kind: str, mesh: str | None = None, *, limit: int = 1000, after: tuple[str, str] | None = None
    ) -> Page:
        prefix = self._keys.of_kind(kind, mesh)
        start = prefix if after is None else max(prefix, self._keys.resource(ResourceKey(kind, *after)) + b"\0")
        _, (head, found) = await self._read(op.get(self._keys.head), op.get(start, end_of(prefix), limit=limit))
        last = self._keys.key_of(found.kvs[-1].key) if found.more else None
        return Page(self._resources(found), None if last is None else (last.mesh, last.name), _revision_of(head))

    async def contents(self) -> Contents:
        while True:
            try:
                return await self._contents()
            except Compacted:
                log.info("history was compacted during a full read, starting it again")

    async def _contents(self) -> Contents:
        start, end = self._keys.resources, end_of(self._keys.resources)
        resources: list[Resource] = []
        revision, limit = 0, 500
        while True:
            now, (found,) = await self._read(op.get(start, end, limit=limit, revision=revision))
            revision = revision or now
            resources += self._resources(found)
            if not found.more:
                return Contents(revision, tuple(resources))
            start = found.kvs[-1].key + b"\0"
            limit = max(1, min(10_000, PAGE_BYTES * limit // max(1, found.ByteSize())))

    async def write(self, writes: Sequence[Write], *, fence: Lease | None = None) -> tuple[int, tuple[Resource, ...]]:
        keys = list(dict.fromkeys(key_of(write) for write in writes))
        check_count(writes)
        blind = 0 < len(keys) <= FAN_OUT and all(isinstance(write, Create) for write in writes)
        seen = _NOTHING if blind else await self._see(keys, fence)
        for attempt in range(ATTEMPTS):
            try:
                batch, _, stored = settle_one(writes, seen.resources.get, seen.revision, self._clock.now_ns())
            except UrsaError:
                if seen is not _NOTHING:
                    raise
                # Two creations of one resource in one transaction; say so only after a look at what is there.
                seen = await self._see(keys, fence)
                continue
            if batch is None:
                return seen.head, stored
            revision = await self._commit(keys, seen, batch.changes, fence)
            if revision is not None:
                self._count()
                return revision, tuple(_at(resource, batch.revision, revision) for resource in stored)
            if attempt:
                await self._clock.sleep(self._clock.uniform(0, 0.01 * 2 ** min(attempt, 6)))
            seen = await self._see(keys, fence)
        raise Conflict("others changed the same resources again and again")

    async def watch(self, revision: int) -> AsyncIterator[Batch]:
        prefix = self._keys.resources
        while True:
            now, _ = await self._read()
            if now < revision:
                raise Compacted(f"etcd is at revision {now}, which is before {revision}: it was restored from a backup")
            wanted = pb.WatchCreateRequest(key=prefix, range_end=end_of(prefix), start_revision=revision + 1)
            try:
                async with aclosing(self._client.converse(WATCH, pb.WatchRequest(create_request=wanted))) as answers:
                    async for answer in answers:
                        for batch in self._batches(answer):
                            revision = batch.revision
                            yield batch
            except Unavailable as error:
                log.info("watch broken, resuming it", extra={"revision": revision, "error": str(error)})
            await self._clock.sleep(self._clock.uniform(0.05, 0.3))

    async def revision(self) -> int:
        _, (head,) = await self._read(op.get(self._keys.head))
        return _revision_of(head)

    async def acquire(self, name: str, holder: str, ttl: float) -> Lease:
        return await self._leases.acquire(name, holder, ttl)

    async def _read(self, *operations: pb.RequestOp) -> tuple[int, Sequence[pb.RangeResponse]]:
        """Reads at one revision, which comes with it; makes sure that this is still the store it was."""
        if self._identity is None:
            raise Unavailable("the store is not open")
        request = pb.TxnRequest(success=[op.get(self._keys.identity), *nested(operations)])
        answer = await self._client.call(TXN, request)
        identity, *found = (response.response_range for response in flat(answer.responses))
        if not identity.kvs or (identity.kvs[0].value, identity.kvs[0].create_revision) != self._identity:
            raise Unavailable(
                "etcd holds another store than before, its contents were lost or replaced; "
                "restart this control plane if that was intended"
            )
        return answer.header.revision, found

    async def _see(self, keys: Sequence[ResourceKey], fence: Lease | None = None) -> _Seen:
        reads = [op.get(self._keys.resource(key)) for key in keys]
        lease = [op.get(self._keys.lease(fence.name))] if fence is not None else []
        revision, (head, *found) = await self._read(op.get(self._keys.head), *lease, *reads)
        if fence is not None:
            holder, *found = found
            if not holder.kvs or holder.kvs[0].create_revision != fence.token:
                raise Fenced(f"the lease {fence.name} is no longer held")
        resources = {resource.key: resource for part in found for resource in self._resources(part)}
        return _Seen(revision, _revision_of(head), resources)

    async def _commit(
        self, keys: Sequence[ResourceKey], seen: _Seen, changes: tuple[Change, ...], fence: Lease | None
    ) -> int | None:
        """Stores changes if nothing that led to them has changed; the revision, or None if something has."""
        packed = pack_changes(changes)
        writes = [
            op.delete(self._keys.resource(key)) if data is None else op.put(self._keys.resource(key), data)
            for key, data in packed.items()
        ]
        request = pb.TxnRequest(
            compare=self._conditions(keys, seen, fence),
            success=[*nested(writes), op.put(self._keys.head, b"")],
        )
        try:
            answer = await self._client.ask(TXN, request)
        except Unavailable as error:
            raise Unavailable(f"{error}; it is unknown whether the write was stored") from None
        if answer.message.succeeded:
            return answer.message.header.revision
        return await self._happened(packed) if answer.repeated else None

    def _conditions(self, keys: Sequence[ResourceKey], seen: _Seen, fence: Lease | None) -> Sequence[pb.Compare]:
        if self._identity is None:
            raise Unavailable("the store is not open")
        conditions = [op.same_origin(self._keys.identity, self._identity[1])]
        if fence is not None:
            conditions.append(op.same_origin(self._keys.lease(fence.name), fence.token))
        if len(keys) > FAN_OUT:
            return [*conditions, op.unchanged(self._keys.head, seen.head)]
        versions = {key: resource.version for key, resource in seen.resources.items()}
        return [*conditions, *(op.unchanged(self._keys.resource(key), versions.get(key, 0)) for key in keys)]

    async def _happened(self, packed: Mapping[ResourceKey, bytes | None]) -> int | None:
        """Whether a transaction whose first attempt got no answer was the one that made its second fail."""
        _, found = await self._read(*(op.get(self._keys.resource(key)) for key in packed))
        for part, data in zip(found, packed.values(), strict=True):
            if (part.kvs[0].value if part.kvs else None) != data:
                raise Unavailable("etcd failed over during a write; it is unknown whether the write was stored")
        revisions = [part.kvs[0].mod_revision for part in found if part.kvs]
        return max(revisions) if revisions else await self.revision()

    def _resources(self, found: pb.RangeResponse) -> tuple[Resource, ...]:
        return tuple(r for kv in found.kvs if (r := self._resource(kv)) is not None)

    def _resource(self, kv: pb.KeyValue) -> Resource | None:
        """The resource in a key; None when somebody else wrote something there."""
        try:
            key = self._keys.key_of(kv.key)
        except ValueError:
            log.error("a key below those of resources is none of ours", extra={"key": repr(kv.key)})
            return None
        return readable(key, kv.mod_revision, kv.value)

    def _batches(self, answer: pb.WatchResponse) -> Iterator[Batch]:
        if answer.compact_revision:
            raise Compacted(f"changes before revision {answer.compact_revision} are no longer held")
        if answer.canceled:
            raise Unavailable(f"etcd ended the watch: {answer.cancel_reason}")
        for revision, group in groupby(answer.events, lambda event: event.kv.mod_revision):
            changes = (self._change(event) for event in group)
            yield Batch(revision, tuple(change for change in changes if change is not None))

    def _change(self, event: pb.Event) -> Change | None:
        if event.type == pb.Event.PUT:
            after = self._resource(event.kv)
            return Change(after.key, after) if after is not None else None
        try:
            return Change(self._keys.key_of(event.kv.key), None)
        except ValueError:
            # It was none of ours while it was there, either.
            return None

    def _count(self) -> None:
        self._writes += 1
        if self._compact and self._writes % COMPACT_EVERY == 0:
            self._compacting = spawn(self._drop_history(), "etcd compaction")

    async def _drop_history(self) -> None:
        try:
            cut = await self.revision() - KEPT_REVISIONS
            if cut > 0:
                await self._client.call(COMPACT, pb.CompactionRequest(revision=cut))
        except (Unavailable, Compacted) as error:
            log.debug("history not compacted now", extra={"error": str(error)})


def _revision_of(head: pb.RangeResponse) -> int:
    return head.kvs[0].mod_revision if head.kvs else 0


def _at(resource: Resource, provisional: int, revision: int) -> Resource:
    return replace(resource, version=revision) if resource.version == provisional else resource
