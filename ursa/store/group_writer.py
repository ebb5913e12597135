"""Lets writes that wait for the store share its next transaction, in the order in which they came.

A commit costs a sync to disk or a journey to a server, whatever is in it. While one is under way others gather; what
has gathered is committed together, each request on its own terms. The queue is bounded: a store that cannot keep up is
reported to writers instead of eating memory. When it cannot be reached, everybody who waits is told at once, instead of
finding that out again one group after the other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from ursa.errors import Unavailable, UrsaError
from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.tasks import spawn
from ursa.store.contract import Full, Lease, Write
from ursa.store.settle import Outcome
from ursa.store.transition import key_of
from ursa.store.tuning import Tuning


@dataclass(slots=True)
class Request:
    """One transaction somebody waits for."""

    writes: Sequence[Write]
    fence: Lease | None
    done: asyncio.Future[Outcome]


Commit = Callable[[Sequence[Request]], Awaitable[Sequence[Outcome | UrsaError]]]
"""Commits requests together; raises Unavailable when none of them could be, Full when there is no room for all."""


class GroupWriter:
    """The one writer of an engine in this process."""

    def __init__(self, commit: Commit, name: str, tuning: Tuning, *, disjoint: bool = False) -> None:
        """Groups writes.

        Args:
            commit: what commits a group.
            name: of the task that does it.
            tuning: how many may wait, and be in a group.
            disjoint: whether no two requests of a group may be about the same resource.
        """
        self._commit, self._name = commit, name
        self._tuning, self._disjoint = tuning, disjoint
        self._waiting: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None

    async def write(self, writes: Sequence[Write], fence: Lease | None) -> tuple[int, tuple[Resource, ...]]:
        """See `Store.write`."""
        if len(self._waiting) >= self._tuning.queue:
            raise Unavailable(f"the store is too slow: {self._tuning.queue} writes are waiting")
        request = Request(writes, fence, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        if self._task is None or self._task.done():
            self._task = spawn(self._work(), self._name)
        _, revision, stored = await asyncio.shield(request.done)
        return revision, stored

    async def close(self) -> None:
        """Waits until nothing waits."""
        if self._task is not None:
            await self._task

    async def _work(self) -> None:
        while self._waiting:
            group = self._next()
            for request, outcome in zip(group, await self._outcomes(group), strict=True):
                if isinstance(outcome, UrsaError):
                    request.done.set_exception(outcome)
                    # The caller may be gone; that is no reason to report an unseen error.
                    request.done.exception()
                else:
                    request.done.set_result(outcome)

    async def _outcomes(self, group: Sequence[Request]) -> Sequence[Outcome | UrsaError]:
        try:
            return await self._commit(group)
        except Full as error:
            # What is too much together may have room by itself, and a deletion needs none.
            parts = [await self._outcomes([request]) for request in group] if len(group) > 1 else [[error]]
            return [outcome for part in parts for outcome in part]
        except Unavailable as error:
            self._turn_away()
            return [error] * len(group)

    def _turn_away(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for request in waiting:
            request.done.set_exception(Unavailable("the store could not be reached; nothing was stored"))
            request.done.exception()

    def _next(self) -> Sequence[Request]:
        total = 0
        taken: set[ResourceKey] = set()

        def fits(request: Request) -> bool:
            nonlocal total
            total += len(request.writes)
            if self._disjoint:
                keys = {key_of(write) for write in request.writes}
                if keys & taken:
                    return False
                taken.update(keys)
            return total <= self._tuning.group

        group = list(takewhile(fits, self._waiting)) or [self._waiting[0]]
        for _ in group:
            self._waiting.popleft()
        return group
