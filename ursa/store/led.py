"""A store for what only a leader may write: every write carries the leader's lease, and the store itself checks it.

A leader that was asleep for too long (a stopped process, a paused machine) may wake up in the middle of a write, after
somebody else has taken over; the fencing token is what keeps that write out.
"""

from __future__ import annotations

from collections.abc import Sequence

from ursa.model.resource import Resource
from ursa.store.contract import Fenced, Lease, Store, Write
from ursa.store.wrapper import Wrapper


class LedStore(Wrapper):
    """See `Store`. `lease` is set by whoever leads, for as long as that lasts."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.lease: Lease | None = None

    async def write(self, writes: Sequence[Write], *, fence: Lease | None = None) -> tuple[int, tuple[Resource, ...]]:
        fence = fence or self.lease
        if fence is None:
            raise Fenced("this replica does not lead")
        return await super().write(writes, fence=fence)
