"""Changes of single resources, for many watchers: one subscription, and only those concerned wake up."""

from __future__ import annotations

import asyncio

from ursa.model.resource import ResourceKey
from ursa.view.live import LiveView


class KeyWatch:
    """Waits for changes of one resource."""

    def __init__(self, changes: KeyedChanges, key: ResourceKey) -> None:
        self._changes, self._key = changes, key
        self._news = asyncio.Event()

    async def next(self) -> None:
        """Returns after the next change since the last call; several become one."""
        await self._news.wait()
        self._news.clear()

    def close(self) -> None:
        """Ends the watch."""
        self._changes.forget(self._key, self)

    def notify(self) -> None:
        """Called for each change."""
        self._news.set()


class KeyedChanges:
    """Hands the changes of a live view to whoever watches their keys. `run` must be running."""

    def __init__(self, live: LiveView) -> None:
        self._live = live
        self._watches: dict[ResourceKey, set[KeyWatch]] = {}

    def watch(self, key: ResourceKey) -> KeyWatch:
        """Watches one resource from now on."""
        watch = KeyWatch(self, key)
        self._watches.setdefault(key, set()).add(watch)
        return watch

    def forget(self, key: ResourceKey, watch: KeyWatch) -> None:
        """Removes a watch."""
        watches = self._watches.get(key, set())
        watches.discard(watch)
        if not watches:
            self._watches.pop(key, None)

    async def run(self) -> None:
        """Follows the view until cancelled."""
        subscription = self._live.subscribe("keyed changes")
        try:
            while True:
                step = await subscription.next()
                for key in step.touched.keys & self._watches.keys():
                    for watch in self._watches[key]:
                        watch.notify()
        finally:
            subscription.close()
