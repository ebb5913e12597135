"""The embedded durable engine and the default: one file, nothing to install.

One thread owns the connection. Writes that wait while a transaction is being synced to disk share the next one, so a
storm of writes costs few syncs; each is settled on its own, so one bad write spoils no other. A lock file keeps a
second process out; that is also what makes leases local.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from ursa.errors import ConfigError, Unavailable, UrsaError
from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.clock import Clock
from ursa.store.contract import Batch, Contents, Full, Lease, Page, Write
from ursa.store.feed import Feed
from ursa.store.group_writer import GroupWriter, Request
from ursa.store.local_lease import LocalLeases
from ursa.store.settle import Outcome
from ursa.store.sqlite_tables import HOPELESS, Tables
from ursa.store.tuning import USUAL, Tuning

T = TypeVar("T")

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""What the system says when a disk, or what we may have of it, is full."""


class SqliteStore:
    """See `Store`. `path` is the database file; its folder is created when missing."""

    def __init__(self, path: str, clock: Clock, tuning: Tuning = USUAL) -> None:
        self._path, self._clock, self._kept = Path(path), clock, tuning.kept
        self._thread: ThreadPoolExecutor | None = None
        self._feed = Feed()
        self._leases = LocalLeases(self._next_token)
        self._writer = GroupWriter(self._commit, "sqlite writer", tuning)
        self._lock: int | None = None
        self._tables: Tables | None = None

    async def open(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        try:
            self._tables = await self._run(self._open_file)
            self._feed = Feed(await self._call(Tables.revision))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        self._feed.close()
        self._leases.close()
        await self._writer.close()
        if self._tables is not None:
            await self._call(Tables.close)
            self._tables = None
        if self._thread is not None:
            self._thread.shutdown()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def get(self, key: ResourceKey) -> Resource:
        return await self._call(lambda tables: tables.get(key))

    async def list(
        self, kind: str, mesh: str | None = None, *, limit: int = 1000, after: tuple[str, str] | None = None
    ) -> Page:
        return await self._call(lambda tables: tables.list(kind, mesh, limit, after))

    async def contents(self) -> Contents:
        return await self._call(Tables.contents)

    async def write(self, writes: Sequence[Write], *, fence: Lease | None = None) -> tuple[int, tuple[Resource, ...]]:
        self._leases.check(fence)
        return await self._writer.write(writes, fence)

    async def watch(self, revision: int) -> AsyncIterator[Batch]:
        while revision < (floor := self._feed.floor):
            for batch in await self._call(partial(Tables.changes, after=revision, until=floor)):
                yield batch
            revision = floor
        async for batch in self._feed.watch(revision):
            yield batch

    async def revision(self) -> int:
        # It is what is asked to find out whether an outage is over, so it must not say yes when writes say no.
        await self._call(Tables.check_place)
        return await self._call(Tables.revision)

    async def acquire(self, name: str, holder: str, ttl: float) -> Lease:
        return await self._leases.acquire(name)

    async def _next_token(self, name: str) -> int:
        return await self._call(lambda tables: tables.next_token(name))

    async def _commit(self, group: Sequence[Request]) -> Sequence[Outcome | UrsaError]:
        """Commits a group and publishes what it changed, in order."""
        now = self._clock.now_ns()
        requests = [request.writes for request in group]
        outcomes = await self._call(partial(Tables.write, requests=requests, now=now))
        for outcome in outcomes:
            if not isinstance(outcome, UrsaError) and outcome[0] is not None:
                self._feed.publish(outcome[0])
        return outcomes

    def _open_file(self) -> Tables:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(self._path)
            return Tables(self._path, self._kept)
        except sqlite3.Error as error:
            # Extended codes say in the upper bits where it happened.
            remedy = HOPELESS.get(error.sqlite_errorcode & 0xFF)
            if remedy is None:
                raise
            raise ConfigError(f"store.sqlite.path: {self._path}: {error}; {remedy}") from None
        except OSError as error:
            if error.errno in NO_ROOM:
                raise
            raise ConfigError(f"store.sqlite.path: {self._path} cannot be opened: {error.strerror}") from None

    async def _call(self, work: Callable[[Tables], T]) -> T:
        tables = self._tables
        if tables is None:
            raise Unavailable("the store is not open")
        return await self._run(lambda: work(tables))

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (sqlite3.Error, OSError) as error:
            raise self._translated(error) from error

    def _translated(self, error: sqlite3.Error | OSError) -> Unavailable:
        lacks_room = (
            error.errno in NO_ROOM
            if isinstance(error, OSError)
            else getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
        )
        return (Full if lacks_room else Unavailable)(f"{self._path}: {error}")


def _lock(path: Path) -> int:
    """Takes the lock file beside the database for the life of the process."""
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ConfigError(f"store.sqlite.path: {path} is in use by another process") from None
    return descriptor
