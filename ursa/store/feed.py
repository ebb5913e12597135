"""The change feed inside one process: the newest batches, and the wake-up of everybody who waits for the next.

Watchers read at their own pace from a bounded ring. One that falls behind it gets `Compacted` and reads a snapshot;
nobody makes writers wait, and nothing is kept per watcher.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from itertools import islice

from ursa.errors import Unavailable
from ursa.store.contract import Batch, Compacted

DEFAULT_DEPTH = 4096
"""Batches kept in memory for watchers that are a little late; no setting, because who is later reads from the disk."""


class Feed:
    """Batches after `start`, in order."""

    def __init__(self, start: int = 0, depth: int = DEFAULT_DEPTH) -> None:
        self._batches: deque[Batch] = deque()
        self._depth = depth
        self._floor = start
        self._first = 0
        self._news = asyncio.Event()
        self._closed = False

    @property
    def floor(self) -> int:
        """The oldest revision from which the ring can be watched."""
        return self._floor

    def publish(self, batch: Batch) -> None:
        """Adds a batch that is newer than all others."""
        self._batches.append(batch)
        while len(self._batches) > self._depth:
            self._floor = self._batches.popleft().revision
            self._first += 1
        self._wake()

    def close(self) -> None:
        """Ends every watch."""
        self._closed = True
        self._wake()

    async def watch(self, revision: int) -> AsyncIterator[Batch]:
        """All batches after `revision`; ends when the feed is closed."""
        if revision < self._floor:
            raise Compacted(f"changes after revision {revision} are no longer held, the oldest is {self._floor}")
        position = self._first + sum(1 for batch in self._batches if batch.revision <= revision)
        while not self._closed:
            if position < self._first:
                raise Compacted("the watcher is too slow")
            fresh = list(islice(self._batches, position - self._first, None))
            position += len(fresh)
            for batch in fresh:
                yield batch
            if not fresh:
                await self._news.wait()
        raise Unavailable("the store was closed")

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
