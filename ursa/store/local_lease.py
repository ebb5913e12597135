"""Leases of engines that live in one process: whoever holds one keeps it until it lets go or the store closes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ursa.store.contract import Fenced, Lease
from ursa.store.own_lease import OwnLease


class LocalLeases:
    """Named leases; `next_token` gives fencing tokens that outlive the process where the engine does."""

    def __init__(self, next_token: Callable[[str], Awaitable[int]]) -> None:
        self._next_token = next_token
        self._locks: dict[str, asyncio.Lock] = {}
        self._held: set[LocalLease] = set()

    async def acquire(self, name: str) -> Lease:
        """Waits until the lease is free and takes it."""
        lock = self._locks.setdefault(name, asyncio.Lock())
        await lock.acquire()
        try:
            lease = LocalLease(name, await self._next_token(name), lock)
        except BaseException:
            lock.release()
            raise
        self._held.add(lease)
        return lease

    def check(self, fence: Lease | None) -> None:
        """Raises Fenced when a write is made in the name of a lease that is gone."""
        if fence is not None and not fence.held:
            raise Fenced(f"the lease {fence.name} is no longer held")

    def close(self) -> None:
        """Takes all leases away."""
        for lease in self._held:
            lease.give_up()
        self._held.clear()


class LocalLease(OwnLease):
    """See `Lease`; it cannot expire."""

    def __init__(self, name: str, token: int, lock: asyncio.Lock) -> None:
        super().__init__(name, token)
        self._lock = lock

    async def release(self) -> None:
        self.give_up()

    def give_up(self) -> None:
        """Frees the lease; a second call does nothing."""
        if not self._gone.is_set():
            self._gone.set()
            self._lock.release()
