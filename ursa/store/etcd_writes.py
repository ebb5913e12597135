"""Commits writes to etcd, those that wait together in one transaction.

A journey to etcd costs our client more than all that is in it, so a group of requests costs one to look and one to
commit. The transaction compares everything that any of them was decided upon: while nobody else writes these resources
it goes through at once. If somebody does, the group is looked at and decided again, and if that fails too it is halved,
until only those that compete with others wait for them. Each request succeeds or fails by itself; what a group stores
has one revision, which is why no two requests of it are about the same resource.

Creation, the common case of a storm, assumes that nothing is there and saves the look.

A transaction that got no answer is sent to another member, and the first one may wake up later and carry it out too.
Its comparisons then fail, but for a creation whose resource was deleted meanwhile. So every transaction also compares
the key `doubt`, and before anybody is told that one was stored which was sent twice, this key is written anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ursa.errors import Conflict, NotFound, Unavailable, UrsaError
from ursa.model.resource import ResourceKey
from ursa.runtime.clock import Clock
from ursa.store import etcd_keys as op
from ursa.store.blob import pack_changes
from ursa.store.contract import MAX_BYTES, Batch, Create, Delete, Fenced, Lease
from ursa.store.etcd_client import EtcdClient, NoSpace
from ursa.store.etcd_keys import BESIDE, COMPARED, Keys, nested
from ursa.store.etcd_methods import DELETE, TXN
from ursa.store.etcd_reads import EtcdReads, Seen
from ursa.store.group_writer import Request
from ursa.store.settle import Outcome, settle_one
from ursa.store.transition import key_of
from ursa.wire import etcd_pb2 as pb

ATTEMPTS = 20
"""Times a write decides again because others were faster, with pauses that grow to more than half a second."""

_Packed = Mapping[ResourceKey, bytes | None]


@dataclass(frozen=True, slots=True)
class _Decided:
    """A group, ready to be committed: what each request leads to, and what is to be stored."""

    outcomes: Sequence[Outcome | UrsaError]
    packed: _Packed


class EtcdWrites:
    """The writing half of the engine."""

    def __init__(self, client: EtcdClient, keys: Keys, reads: EtcdReads, clock: Clock) -> None:
        self._client, self._keys, self._reads, self._clock = client, keys, reads, clock

    async def commit(self, group: Sequence[Request]) -> Sequence[Outcome | UrsaError]:
        """Commits requests, no two of which are about the same resource; see `GroupWriter`."""
        keys = [*dict.fromkeys(key_of(write) for request in group for write in request.writes)]
        fences = [*{request.fence for request in group if request.fence is not None}]
        if len(fences) >= BESIDE:
            return await self._halved(group)
        blind = len(keys) <= COMPARED and all(_only_creates(request) for request in group)
        seen = self._reads.nothing() if blind else await self._reads.see(keys, fences)
        for attempt in range(ATTEMPTS):
            decided = self._decide(group, seen)
            if blind and any(isinstance(outcome, UrsaError) for outcome in decided.outcomes):
                # Two creations of one resource in one transaction; say so only after a look at what is there.
                seen, blind = await self._reads.see(keys, fences), False
                continue
            if not decided.packed:
                return decided.outcomes
            if sum(map(_size, decided.packed.items())) > MAX_BYTES:
                return await self._halved(group)
            try:
                revision = await self._store(decided.packed, self._conditions(keys, seen, fences), seen)
            except NoSpace as error:
                if len(group) > 1:
                    raise
                return [await self._without_room(group[0], error)]
            if revision is not None:
                return [_at(outcome, revision) for outcome in decided.outcomes]
            if attempt and len(group) > 1:
                return await self._halved(group)
            if attempt:
                await self._clock.sleep(self._clock.uniform(0, 0.01 * 2 ** min(attempt, 6)))
            seen, blind = await self._reads.see(keys, fences), False
        return [Conflict("others changed the same resources again and again")] * len(group)

    async def _halved(self, group: Sequence[Request]) -> Sequence[Outcome | UrsaError]:
        middle = len(group) // 2
        return [*await self._part(group[:middle]), *await self._part(group[middle:])]

    async def _part(self, group: Sequence[Request]) -> Sequence[Outcome | UrsaError]:
        """Commits part of a group; when etcd is gone by then, that says nothing about the other part."""
        try:
            return await self.commit(group)
        except Unavailable as error:
            return [error] * len(group)

    async def _without_room(self, request: Request, error: NoSpace) -> Outcome | UrsaError:
        """Removes a resource from an etcd that is full, which takes no transactions but deletes; refuses all else.

        It compares nothing, but what was seen cannot change either while nobody can write. The head stays as it is.
        """
        if len(request.writes) != 1 or not isinstance(request.writes[0], Delete):
            return error
        key = request.writes[0].key
        try:
            seen = await self._reads.see([key], [request.fence] if request.fence else [])
            (outcome,) = self._decide([request], seen).outcomes
            if isinstance(outcome, UrsaError):
                return outcome
            answer = await self._client.ask(DELETE, pb.DeleteRangeRequest(key=self._keys.resource(key)))
        except Unavailable as failed:
            return failed
        if not answer.message.deleted and not answer.repeated:
            return NotFound(f"{key} not found")
        return _at(outcome, answer.message.header.revision)

    def _decide(self, group: Sequence[Request], seen: Seen) -> _Decided:
        now = self._clock.now_ns()
        outcomes: list[Outcome | UrsaError] = []
        packed: dict[ResourceKey, bytes | None] = {}
        for request in group:
            try:
                if request.fence in seen.lost:
                    raise Fenced(f"the lease {request.fence.name if request.fence else ''} is no longer held")
                batch, _, stored = settle_one(request.writes, seen.present.get, seen.revision, now)
                packed |= pack_changes(batch.changes) if batch is not None else {}
            except UrsaError as error:
                outcomes.append(error)
            else:
                outcomes.append((batch, seen.head, stored))
        return _Decided(outcomes, packed)

    async def _store(self, packed: _Packed, conditions: Sequence[pb.Compare], seen: Seen) -> int | None:
        """Stores changes if nothing that led to them has changed; the revision, or None if something has."""
        writes = [
            op.delete(self._keys.resource(key)) if data is None else op.put(self._keys.resource(key), data)
            for key, data in packed.items()
        ]
        request = pb.TxnRequest(
            compare=conditions, success=[*nested(writes, beside=len(conditions)), op.put(self._keys.head, b"")]
        )
        try:
            answer = await self._client.ask(TXN, request)
            if not answer.repeated:
                return answer.message.header.revision if answer.message.succeeded else None
            return await self._once(answer.message, packed, seen)
        except NoSpace as error:
            return await self._over_quota(packed, error)
        except Unavailable as error:
            raise _unknown(error) from None

    async def _over_quota(self, packed: _Packed, error: NoSpace) -> int:
        """The revision of a transaction that was refused, but carried out: the one that takes etcd over its quota."""
        try:
            revision, _ = await self._traces(packed)
        except Unavailable as failed:
            raise _unknown(failed) from None
        if revision is None:
            raise error
        return revision

    async def _once(self, answer: pb.TxnResponse, packed: _Packed, seen: Seen) -> int | None:
        """The same for a transaction that was sent more than once: it has happened once, and will not again."""
        revision = answer.header.revision if answer.succeeded else await self._happened(packed, seen)
        if revision is not None and not any(key in seen.present for key in packed):
            await self._client.call(TXN, pb.TxnRequest(success=[op.put(self._keys.doubt, b"")]))
        return revision

    def _conditions(self, keys: Sequence[ResourceKey], seen: Seen, fences: Sequence[Lease]) -> Sequence[pb.Compare]:
        held = [op.same_origin(self._keys.lease(f.name), f.token) for f in fences if f not in seen.lost]
        store = [self._reads.still_the_same(), op.unchanged(self._keys.doubt, seen.doubt)]
        if len(keys) > COMPARED:
            return [*store, *held, op.unchanged(self._keys.head, seen.head)]
        versions = {key: stored.version for key, stored in seen.present.items()}
        same = (op.unchanged(self._keys.resource(key), versions.get(key, 0)) for key in keys)
        return [*store, *held, *same]

    async def _happened(self, packed: _Packed, seen: Seen) -> int | None:
        """Whether a transaction whose first attempt got no answer was the one that made its second fail."""
        revision, versions = await self._traces(packed)
        before = [seen.present[key].version if key in seen.present else 0 for key in packed]
        if revision is None and versions != before:
            raise Unavailable("etcd failed over during a write")
        return revision

    async def _traces(self, packed: _Packed) -> tuple[int | None, Sequence[int]]:
        """The revision at which changes were stored, None if they were not; and what is there now, 0 for nothing."""
        now, found = await self._reads.read(*(op.get(self._keys.resource(key)) for key in packed))
        present = [part.kvs[0] if part.kvs else None for part in found]
        versions = [kv.mod_revision if kv else 0 for kv in present]
        if not any(data is not None for data in packed.values()) and not any(present):
            return now, versions
        for kv, data in zip(present, packed.values(), strict=True):
            # One of them tells for all, because they are stored together; the time in it makes it ours.
            if kv is not None and kv.value == data:
                return kv.mod_revision, versions
        return None, versions


def _unknown(error: Unavailable) -> Unavailable:
    return Unavailable(f"{error}; it is unknown whether the write was stored")


def _only_creates(request: Request) -> bool:
    return bool(request.writes) and all(isinstance(write, Create) for write in request.writes)


def _size(entry: tuple[ResourceKey, bytes | None]) -> int:
    key, data = entry
    return len("".join(key).encode()) + len(data or b"")


def _at(outcome: Outcome | UrsaError, revision: int) -> Outcome | UrsaError:
    """The outcome with the revision that etcd gave."""
    if isinstance(outcome, UrsaError) or (batch := outcome[0]) is None:
        return outcome
    stored = (replace(r, version=revision) if r.version == batch.revision else r for r in outcome[2])
    return Batch(revision, batch.changes), revision, tuple(stored)
