"""Keeps a view current by following a store's change feed, and tells subscribers what changed.

A subscriber that is busy gets all that happened meanwhile as one step: newest state, no backlog. While the store
cannot be reached the last view stays as it is; a lost source is no evidence that anything was deleted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ursa.store.contract import Compacted, Store
from ursa.view.view import Touched, View

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """The way from one view to a later one."""

    before: View
    after: View
    touched: Touched


class Subscription:
    """One consumer's place in the sequence of views."""

    def __init__(self, live: MovingView, name: str) -> None:
        self.name = name
        self._live = live
        self._seen = live.current
        self._touched = Touched()
        self._news = asyncio.Event()

    async def next(self) -> Step:
        """Waits until something changed after the last step, and returns all of it."""
        while not self._touched:
            self._news.clear()
            await self._news.wait()
        step = Step(self._seen, self._live.current, self._touched)
        self._seen, self._touched = step.after, Touched()
        return step

    async def touching(self, kinds: frozenset[str]) -> Step:
        """Waits for a step in which something of these kinds changed; steps without are passed over."""
        while not (step := await self.next()).touched.kinds & kinds:
            pass
        return step

    def close(self) -> None:
        """Ends the subscription."""
        self._live.forget(self)

    def note(self, touched: Touched) -> None:
        """Called by the live view after each change."""
        self._touched = self._touched.then(touched) if self._touched else touched
        self._news.set()


class MovingView:
    """A view that is replaced by later ones, and who wants to know."""

    def __init__(self) -> None:
        self._current = View()
        self._subscriptions: list[Subscription] = []
        self._followers: list[Callable[[Step], None]] = []
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self.ready = asyncio.Event()
        """Set once there is a whole view."""

    @property
    def current(self) -> View:
        """The newest view."""
        return self._current

    def subscribe(self, name: str) -> Subscription:
        """A subscription that starts at the current view."""
        subscription = Subscription(self, name)
        self._subscriptions.append(subscription)
        return subscription

    def forget(self, subscription: Subscription) -> None:
        """Removes a subscription; unknown ones are ignored."""
        with suppress(ValueError):
            self._subscriptions.remove(subscription)

    @contextmanager
    def following(self, follower: Callable[[Step], None]) -> Iterator[None]:
        """While this lasts, the follower is called with every step by itself, at once: one per revision, in order.

        Only what was missed while the feed could not be followed comes as one step.
        """
        self._followers.append(follower)
        try:
            yield
        finally:
            self._followers.remove(follower)

    async def wait_for(self, revision: int) -> None:
        """Returns when the view contains this revision."""
        if self._current.revision < revision:
            reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((revision, reached))
            await reached

    def _move(self, view: View, touched: Touched) -> None:
        step, self._current = Step(self._current, view, touched), view
        if touched:
            for follower in self._followers:
                follower(step)
            for subscription in self._subscriptions:
                subscription.note(touched)
        waiting, self._waiting = self._waiting, []
        for revision, reached in waiting:
            if revision > view.revision:
                self._waiting.append((revision, reached))
            elif not reached.done():
                reached.set_result(None)


class LiveView(MovingView):
    """The current view of a store. `run` must be running for it to move."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store

    async def load(self) -> None:
        """Reads the whole store; called by `run`, and by processes that need just one look."""
        self._move(*self._current.catch_up(await self._store.contents()))
        self.ready.set()

    async def run(self) -> None:
        """Follows the store until cancelled; raises Unavailable when the store does, to be restarted."""
        await self.load()
        while True:
            try:
                async for batch in self._store.watch(self._current.revision):
                    self._move(*self._current.apply(batch))
            except Compacted:
                await self.load()

    def _move(self, view: View, touched: Touched) -> None:
        for key, damaged in view.damaged.items():
            if self._current.damaged.get(key) != damaged:
                log.error("what the store holds cannot be read", extra={"resource": str(key), "reason": damaged.reason})
        super()._move(view, touched)
