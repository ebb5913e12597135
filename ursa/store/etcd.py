"""The distributed engine: etcd keeps the resources, several control planes share them.

etcd's own revision is the store's revision and a key's `mod_revision` the version of its resource, so nothing is
counted twice and processes that write different resources never wait for each other. Writes that wait in this process
are committed together and then share a revision; see `etcd_writes`.

The feed is etcd's watch. It is resumed here, on another endpoint if need be, for as long as a call may take; after that
the reader is told. History is compacted after many writes, never by a timer: `Tuning.kept` revisions stay.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from itertools import groupby

from ursa.errors import Unavailable
from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.clock import Clock
from ursa.runtime.config.store import StoreEtcd
from ursa.runtime.tasks import cancel_and_wait, spawn
from ursa.store import etcd_keys as op
from ursa.store.blob import batch_of, split, unpack, whole
from ursa.store.contract import Batch, Compacted, Contents, Lease, Page, Stored, Write
from ursa.store.etcd_client import EtcdClient
from ursa.store.etcd_keys import COMPARED, Keys, end_of
from ursa.store.etcd_lease import EtcdLeases
from ursa.store.etcd_methods import COMPACT, WATCH
from ursa.store.etcd_reads import EtcdReads, revision_of
from ursa.store.etcd_writes import EtcdWrites
from ursa.store.group_writer import GroupWriter
from ursa.store.tuning import USUAL, Tuning
from ursa.wire import etcd_pb2 as pb

log = logging.getLogger(__name__)

PAGE_BYTES = 4_000_000
"""Size that a page of a full read should have, well below what a message may have."""


class EtcdStore:
    """See `Store`. All keys lie below a prefix, so that several stores can share one cluster."""

    def __init__(self, access: StoreEtcd, clock: Clock, tuning: Tuning = USUAL) -> None:
        self._clock, self._compact, self._kept = clock, access.compaction, tuning.kept
        self._keys = Keys(access.prefix)
        self._client = EtcdClient(access, clock)
        self._leases = EtcdLeases(self._client, self._keys, clock)
        self._reads = EtcdReads(self._client, self._keys)
        writes = EtcdWrites(self._client, self._keys, self._reads, clock)
        together = replace(tuning, group=min(tuning.group, COMPARED))
        self._writer = GroupWriter(writes.commit, "etcd writer", together, disjoint=True)
        self._writes = 0
        self._compacting: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self._reads.open(self._clock)

    async def close(self) -> None:
        await self._writer.close()
        if self._compacting is not None:
            await cancel_and_wait(self._compacting)
        await self._leases.close()
        await self._client.close()

    async def get(self, key: ResourceKey) -> Resource:
        seen = await self._reads.see([key])
        return whole(key, seen.present.get(key))

    async def list(
        self, kind: str, mesh: str | None = None, *, limit: int = 1000, after: tuple[str, str] | None = None
    ) -> Page:
        prefix = self._keys.of_kind(kind, mesh)
        start = prefix if after is None else max(prefix, self._keys.resource(ResourceKey(kind, *after)) + b"\0")
        _, (head, found) = await self._reads.read(op.get(self._keys.head), op.get(start, end_of(prefix), limit=limit))
        last = self._keys.key_of(found.kvs[-1].key) if found.more else None
        resources, _ = split(self._reads.stored(found))
        return Page(resources, None if last is None else (last.mesh, last.name), revision_of(head))

    async def contents(self) -> Contents:
        while True:
            try:
                return await self._contents()
            except Compacted:
                log.info("history was compacted during a full read, starting it again")

    async def _contents(self) -> Contents:
        start, end = self._keys.resources, end_of(self._keys.resources)
        present: list[Stored] = []
        revision, limit = 0, 500
        while True:
            now, (found,) = await self._reads.read(op.get(start, end, limit=limit, revision=revision))
            revision = revision or now
            present += self._reads.stored(found)
            if not found.more:
                return Contents(revision, *split(present))
            start = found.kvs[-1].key + b"\0"
            limit = max(1, min(10_000, PAGE_BYTES * limit // max(1, found.ByteSize())))

    async def write(self, writes: Sequence[Write], *, fence: Lease | None = None) -> tuple[int, tuple[Resource, ...]]:
        written = await self._writer.write(writes, fence)
        self._count()
        return written

    async def watch(self, revision: int) -> AsyncIterator[Batch]:
        prefix = self._keys.resources
        while True:
            now, _ = await self._reads.read()
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
        _, (head,) = await self._reads.read(op.get(self._keys.head))
        return revision_of(head)

    async def acquire(self, name: str, holder: str, ttl: float) -> Lease:
        return await self._leases.acquire(name, holder, ttl)

    def _batches(self, answer: pb.WatchResponse) -> Iterator[Batch]:
        if answer.compact_revision:
            raise Compacted(f"changes before revision {answer.compact_revision} are no longer held")
        if answer.canceled:
            raise Unavailable(f"etcd ended the watch: {answer.cancel_reason}")
        for revision, group in groupby(answer.events, lambda event: event.kv.mod_revision):
            yield batch_of(revision, (state for event in group for state in self._states(event)))

    def _states(self, event: pb.Event) -> Iterator[tuple[ResourceKey, Stored | None]]:
        """What stands at a key after an event; nothing when the key is none of ours."""
        try:
            key = self._keys.key_of(event.kv.key)
        except ValueError:
            return
        put = event.type == pb.Event.PUT
        yield key, unpack(key, event.kv.mod_revision, event.kv.value) if put else None

    def _count(self) -> None:
        self._writes += 1
        if self._compact and self._writes % max(1, self._kept // 2) == 0:
            self._compacting = spawn(self._drop_history(), "etcd compaction")

    async def _drop_history(self) -> None:
        try:
            cut = await self.revision() - self._kept
            if cut > 0:
                await self._client.call(COMPACT, pb.CompactionRequest(revision=cut))
        except (Unavailable, Compacted) as error:
            log.debug("history not compacted now", extra={"error": str(error)})
