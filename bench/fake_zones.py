"""Zones that only sync: the real client with a store in memory, many in one process, so that fifty are affordable."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from kds.client import KdsClient
from kds.watermarks import Received
from ursa.catalog import default_registry
from ursa.model.kind import Sync
from ursa.runtime.clock import SystemClock
from ursa.runtime.config import load
from ursa.runtime.tasks import Supervisor
from ursa.store.memory import MemoryStore
from ursa.view.live import LiveView

REGISTRY = default_registry()

KINDS = sum(bool(kind.sync & (Sync.DOWN | Sync.ACROSS)) for kind in REGISTRY)
"""Kinds that a zone asks its global for."""

WATCHED = "bench"
"""The MeshTimeout of which a zone notes when it had which version."""

VERSION = "bench-version"
"""The label that tells them apart."""

CLIENT = "kds client"


class FakeZone:
    """One zone, as its global sees it. It remembers what it got and when.

    Attributes:
        written: keys that changed in its store, by kind.
        deliveries: responses with contents (resources or removals) that it stored.
    """

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.written = Counter[str]()
        self.deliveries = 0
        clock = SystemClock()
        self._store = MemoryStore(clock)
        self._live = LiveView(self._store)
        self._supervisor = Supervisor(clock)
        environment = {
            "KUMA_MULTIZONE_ZONE_NAME": name,
            "KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS": f"grpcs://127.0.0.1:{port}",
            "KUMA_MULTIZONE_ZONE_KDS_TLS_SKIP_VERIFY": "true",
        }
        self.client = KdsClient(
            load(None, environment).settings,
            self._store,
            self._live,
            REGISTRY,
            clock,
            instance=f"{name}-1",
            on_stored=self._note_delivery,
        )
        self._before: Mapping[str, Received] = self.client.status.down
        self._seen: dict[str, float] = {}
        self._news = asyncio.Event()

    async def open(self) -> None:
        """Starts with an empty store, and connects."""
        await self._store.open()
        self._supervisor.start("live view", self._live.run)
        await self._live.ready.wait()
        self._supervisor.start("notes", self._take_notes)
        self.connect()

    def connect(self) -> None:
        """Connects to the global, with what the store has."""
        self._before = self.client.status.down
        self._supervisor.start(CLIENT, self.client.run)

    async def disconnect(self) -> None:
        """Breaks the connection."""
        await self._supervisor.stop(CLIENT)

    async def close(self) -> None:
        """Ends all tasks."""
        await self._supervisor.close()
        await self._store.close()

    @property
    def served(self) -> bool:
        """Whether the global has answered since it last connected: for every kind, or once that nothing differs."""
        marks = self.client.status.down
        return marks is not self._before and len(marks) >= (1 if self._before else KINDS)

    @property
    def responses(self) -> int:
        """Responses on the current stream, with contents or without."""
        return sum(mark.responses for mark in self.client.status.down.values())

    def count(self, kind: str) -> int:
        """How many of a kind it has."""
        return self._live.current.count(kind)

    async def saw(self, version: str) -> float:
        """When it had the watched MeshTimeout in that version, on the monotonic clock; waits for it."""
        while version not in self._seen:
            self._news.clear()
            await self._news.wait()
        return self._seen[version]

    async def _take_notes(self) -> None:
        subscription = self._live.subscribe("notes")
        while True:
            step = await subscription.next()
            now = time.monotonic()
            for change in step.touched.of("MeshTimeout"):
                if change.after is not None and change.after.display_name == WATCHED:
                    self._seen[change.after.labels[VERSION]] = now
            self.written.update(key.kind for key in step.touched.keys)
            self._news.set()

    def _note_delivery(self, _revision: int, _stored: int) -> None:
        self.deliveries += 1


async def until_served(zones: Sequence[FakeZone]) -> None:
    """Returns when every zone has its answers. It looks now and then: the client tells nobody."""
    async with asyncio.timeout(60):
        while not all(zone.served for zone in zones):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
