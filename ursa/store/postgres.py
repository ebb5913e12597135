"""PostgreSQL as the store of several control planes.

Writes that wait are committed in groups: lock the head, read what they are about, decide here (`settle`), store all of
it with one statement. So the lock that keeps revisions in order is taken once for many writes. A commit whose outcome
is lost with its connection is looked up and, if it did not happen, made again; nobody is told "unknown" as long as the
database comes back in time.

Notifications only say that it is worth looking at the change table. Where they do not arrive, behind a pooler in
transaction mode, that is noticed at the start and the table is looked at every second instead.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, MutableSequence, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from ursa.errors import Unavailable, UrsaError
from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.clock import Clock
from ursa.runtime.config.store import StorePostgres
from ursa.store import postgres_tables as sql
from ursa.store.beat_lease import BeatLeases
from ursa.store.blob import split, whole
from ursa.store.contract import Batch, Compacted, Contents, Fenced, Full, Lease, Page, Write
from ursa.store.group_writer import GroupWriter, Request
from ursa.store.postgres_leases import PostgresRegister
from ursa.store.postgres_metrics import PoolCollector
from ursa.store.postgres_news import News
from ursa.store.postgres_pool import GONE, Pool
from ursa.store.settle import Outcome, settle
from ursa.store.transition import key_of
from ursa.store.tuning import USUAL, Tuning

log = logging.getLogger(__name__)

FETCH_BYTES = 8_000_000
"""Size of the changes that a watch reads at once, unless one transaction was larger.

No setting: what differs with it is only for how long a reader holds them."""


_Attempt = tuple[int, Sequence[Outcome | UrsaError]]
"""A commit whose outcome is not known: its newest revision, and what it leads to."""


@dataclass(frozen=True, slots=True)
class _Head:
    revision: int
    compacted: int
    writer: str | None


class PostgresStore:
    """See `Store`."""

    def __init__(
        self,
        access: StorePostgres,
        clock: Clock,
        tuning: Tuning = USUAL,
        *,
        metrics: CollectorRegistry | None = None,
    ) -> None:
        """Args: `metrics` takes how many connections there are."""
        self._access, self._clock, self._kept = access, clock, tuning.kept
        replica = access.read_replica
        self._pool = Pool(access, clock, host=access.host, port=access.port)
        if metrics is not None:
            metrics.register(PoolCollector(self._pool))
        self._replica = Pool(access, clock, host=replica.host, port=replica.port) if replica.host else None
        self._news = News(self._pool, clock, access)
        self._leases = BeatLeases(PostgresRegister(self._pool, self._news), clock)
        self._writer = GroupWriter(self._commit, "postgres writer", tuning)
        self._name = clock.new_id()
        self._groups = 0
        self._seen: tuple[int, str] | None = None
        self._identity = ""
        self._untrimmed = 0

    async def open(self) -> None:
        await self._pool.open()
        if self._replica is not None:
            await self._replica.open()
        async with self._pool.transaction() as connection:
            await sql.migrate(connection)
            self._identity = await connection.fetchval("SELECT identity FROM ursa_head")
        self._news.start()

    async def close(self) -> None:
        await self._leases.close()
        await self._writer.close()
        await self._news.close()
        await self._pool.close()
        if self._replica is not None:
            await self._replica.close()

    async def get(self, key: ResourceKey) -> Resource:
        async with self._pool.transaction() as connection:
            row = await connection.fetchrow(sql.PRESENT, *([part] for part in key))
        return whole(key, None if row is None else sql.stored(row))

    async def list(
        self, kind: str, mesh: str | None = None, *, limit: int = 1000, after: tuple[str, str] | None = None
    ) -> Page:
        query, values = sql.listing(kind, mesh, limit + 1, after)
        if self._replica is not None and self._clock.uniform(0, 100) < self._access.read_replica.ratio:
            try:
                return await self._page(self._replica, query, values)
            except Unavailable as error:
                log.warning("replica cannot be read, the primary is", extra={"error": str(error)})
        return await self._page(self._pool, query, values)

    async def contents(self) -> Contents:
        async with self._pool.transaction(snapshot=True) as connection:
            head = await self._head(connection)
            query = "SELECT kind, mesh, name, version, body FROM ursa_resources"
            present = [sql.stored(row) async for row in connection.cursor(query, prefetch=1000)]
        return Contents(head.revision, *split(present))

    async def write(self, writes: Sequence[Write], *, fence: Lease | None = None) -> tuple[int, tuple[Resource, ...]]:
        return await self._writer.write(writes, fence)

    async def watch(self, revision: int) -> AsyncIterator[Batch]:
        while True:
            news = self._news.next()
            batches = await self._changes(revision)
            for batch in batches:
                revision = batch.revision
                yield batch
            if not batches:
                await news.wait()

    async def revision(self) -> int:
        async with self._pool.transaction() as connection:
            return (await self._head(connection)).revision

    async def acquire(self, name: str, holder: str, ttl: float) -> Lease:
        return await self._leases.acquire(name, holder, ttl)

    async def _page(self, pool: Pool, query: str, values: Sequence[object]) -> Page:
        async with pool.transaction(snapshot=True) as connection:
            head = await self._head(connection)
            rows = await connection.fetch(query, *values)
        limit = len(rows) if len(rows) < int(str(values[1])) else len(rows) - 1
        after = (rows[limit - 1]["mesh"], rows[limit - 1]["name"]) if limit < len(rows) else None
        resources, _ = split(map(sql.stored, rows[:limit]))
        return Page(resources, after, head.revision)

    async def _head(self, connection: Any, query: str = sql.HEAD, *values: object) -> _Head:
        row = await connection.fetchrow(query, *values)
        if row is None or row["identity"] != self._identity:
            raise Unavailable(GONE)
        return _Head(row["revision"], row["compacted"], row.get("writer"))

    async def _changes(self, revision: int) -> Sequence[Batch]:
        async with self._pool.transaction(snapshot=True) as connection:
            head = await self._head(connection, sql.HEAD_AND_WRITER, revision)
            if revision < head.compacted:
                raise Compacted(f"changes after revision {revision} are no longer held, the oldest is {head.compacted}")
            if revision > head.revision:
                raise Compacted(f"the database is at revision {head.revision}, before {revision}: it was restored")
            if self._seen is not None and self._seen[0] == revision and head.writer not in (self._seen[1], None):
                # Said once: whoever has read everything anew goes on from the revision that is there now.
                self._seen = None
                raise Compacted(f"the database lost revision {revision} and has another one in its place")
            if revision == head.revision:
                return ()
            rows: list[Any] = []
            size = 0
            async for row in connection.cursor(sql.CHANGES, revision, head.revision, prefetch=500):
                if size > FETCH_BYTES and row["revision"] != rows[-1]["revision"]:
                    break
                size += len(row["body"] or b"")
                rows.append(row)
        self._seen = rows[-1]["revision"], rows[-1]["writer"]
        return list(sql.batches(rows))

    async def _commit(self, group: Sequence[Request]) -> Sequence[Outcome | UrsaError]:
        deadline = self._clock.monotonic() + self._access.connection_timeout
        attempted: MutableSequence[_Attempt] = []
        self._groups += 1
        while True:
            try:
                return await self._try(group, attempted)
            except Full:
                raise
            except Unavailable as error:
                if self._clock.monotonic() + 0.5 > deadline:
                    doubt = "; it is unknown whether the write was stored" if attempted else ""
                    raise Unavailable(f"{error}{doubt}") from None
            await self._clock.sleep(self._clock.uniform(0.1, 0.4))

    async def _try(
        self, group: Sequence[Request], attempted: MutableSequence[_Attempt]
    ) -> Sequence[Outcome | UrsaError]:
        """Commits a group; `attempted` remembers what earlier tries of the same group wanted to commit."""
        async with self._pool.transaction() as connection:
            head = await self._head(connection, sql.LOCKED_HEAD)
            for revision, outcomes in attempted:
                if await connection.fetchval(sql.WRITTEN, revision, self._group):
                    return outcomes
            lost = await self._lost_fences(connection, group)
            outcomes = await self._settle(connection, [r for r in group if r.fence not in lost], head.revision)
            batches = [o[0] for o in outcomes if not isinstance(o, UrsaError) and o[0] is not None]
            decided = iter(outcomes)
            outcomes = [_fenced(r.fence) if r.fence in lost else next(decided) for r in group]
            if not batches:
                return outcomes
            newest = batches[-1].revision
            attempted.append((newest, outcomes))
            await connection.execute(sql.STORE, *sql.columns(batches), self._group, newest)
            await self._trim(connection, sum(len(batch.changes) for batch in batches))
        self._news.tell()
        return outcomes

    @property
    def _group(self) -> str:
        return f"{self._name}:{self._groups}"

    async def _settle(
        self, connection: Any, requests: Sequence[Request], revision: int
    ) -> Sequence[Outcome | UrsaError]:
        keys = {key_of(write) for request in requests for write in request.writes}
        rows = await connection.fetch(sql.PRESENT, *map(list, zip(*keys, strict=True))) if keys else ()
        present = sql.by_key(rows)
        return settle(
            [request.writes for request in requests], present.get, revision=revision, now=self._clock.now_ns()
        )

    async def _lost_fences(self, connection: Any, group: Sequence[Request]) -> Sequence[Lease]:
        fences = {request.fence for request in group if request.fence is not None}
        return [f for f in fences if not await connection.fetchval(sql.HELD, f.name, f.token)]

    async def _trim(self, connection: Any, changes: int) -> None:
        self._untrimmed += changes
        if self._untrimmed >= self._kept // 4:
            self._untrimmed = 0
            await connection.execute(sql.TRIM, self._kept)


def _fenced(fence: Lease | None) -> Fenced:
    return Fenced(f"the lease {fence.name if fence else ''} is no longer held")
