"""Writes the ZoneInsight of one connection: at once when it begins and ends, collected in between, never while idle."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress

from kds.insight import History, Session, subscription, with_subscription
from kds.watermarks import Sent
from ursa.errors import Conflict, NotFound, Unavailable
from ursa.model.json import Json, JsonObject
from ursa.model.kind import Kind
from ursa.model.resource import Resource, ResourceKey
from ursa.model.timestamps import proto_timestamp
from ursa.runtime.clock import Clock
from ursa.store.contract import Create, Store, Unreadable, Update
from ursa.store.retries import Retries

log = logging.getLogger(__name__)

OPENING = 1.0
"""Seconds that a new connection has to answer for every type, so that the first write tells of it. It takes some
milliseconds; only a zone that hangs is recorded without. No setting: what is missed here is written later."""

ADMIN_FIELDS = {
    "configDump": "configDumpGlobalInstanceId",
    "stats": "statsGlobalInstanceId",
    "clusters": "clustersGlobalInstanceId",
}
"""Streams that Kuma also records in a deprecated place, which it still reads."""


class ZoneStatus:
    """The one writer of a zone's insight while a connection lasts.

    Several things report to it (both streams, the admin streams, health checks), so nothing is read, changed and
    written back by more than one party.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        insight_kind: Kind,
        zone: str,
        session: Session,
        *,
        flush_interval: float,
        history: History,
        retries: Retries | None = None,
    ) -> None:
        self._store, self._clock, self._kind = store, clock, insight_kind
        self._key = ResourceKey(insight_kind.name, "", zone)
        self._session, self._history, self._interval = session, history, flush_interval
        self._retries = retries or Retries()
        self._marks: Mapping[str, Sent] = {}
        self._told: Mapping[str, tuple[int, int, int]] = {}
        self._streams: dict[str, int] = {}
        self._checked_at = 0
        self._ended_at = 0
        self.recorded = True
        """Whether the store has all that was to be recorded when it was tried the last time."""
        self._changed = asyncio.Event()
        self._opened = asyncio.Event()

    def follow(self, marks: Mapping[str, Sent], *, settled: bool) -> None:
        """Takes over the newest counters, and whether there is nothing more to come for the time being."""
        self._marks = marks
        told = {kind: (mark.sent, mark.acknowledged, mark.rejected) for kind, mark in marks.items()}
        if told != self._told:
            self._told = told
            self._changed.set()
        if settled:
            self._opened.set()

    def stream_opened(self, field: str) -> None:
        """A stream, named as in `kdsStreams`, is held by this replica."""
        self._streams[field] = self._clock.now_ns()
        self._changed.set()

    def checked(self, *, record: bool) -> None:
        """The zone called the health check; unless anybody relies on that, only the first time is worth a write."""
        record = record or not self._checked_at
        self._checked_at = self._clock.now_ns()
        if record:
            self._changed.set()

    def dispute(self) -> None:
        """Somebody has recorded that this connection is over, which it is not."""
        self._changed.set()

    async def run(self) -> None:
        """Writes until cancelled, and once more then. A store that is away is told later what it misses."""
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(OPENING):
                    await self._opened.wait()
            await self.record()
            while True:
                await self._changed.wait()
                await self._clock.sleep(self._interval)
                self._changed.clear()
                await self.record()
        finally:
            self._ended_at = self._clock.now_ns()
            self.recorded = False
            await self.record()

    async def record(self) -> bool:
        """Writes what is to be told now, unless the store is away; returns whether it is written."""
        self.recorded = False
        try:
            await self._write()
            self.recorded = True
        except Unavailable as error:
            log.info("status of a zone not written yet", extra={"zone": self._key.name, "error": str(error)})
            self._changed.set()
        return self.recorded

    async def _write(self) -> None:
        async for _ in self._retries.attempts(self._clock):
            try:
                stored = await self._store.get(self._key)
            except NotFound:
                stored = None
            except Unreadable as error:
                # What was recorded is lost; what is known now is recorded in its place.
                stored = Resource(*self._key, version=error.damaged.version)
            spec = self._kind.codec.normalise(self._merged(stored.spec if stored else {}))
            try:
                if stored is None:
                    await self._store.write([Create(Resource(*self._key, spec=spec))])
                else:
                    await self._store.write([Update(stored.with_spec(spec), stored.version)])
            except (Conflict, NotFound):
                continue
            return
        raise Unavailable(f"cannot write {self._key}: other writers always came first")

    def _merged(self, insight: JsonObject) -> JsonObject:
        now = self._clock.now_ns()
        newest = subscription(self._session, self._marks, now, self._ended_at)
        document: dict[str, Json] = dict(with_subscription(insight, newest, now, self._history))
        instance = self._session.global_instance
        # Where streams were is told while they are there: when they end, another replica may have them.
        if self._streams and not self._ended_at:
            held = {
                f: {"globalInstanceId": instance, "connectTime": proto_timestamp(t)} for f, t in self._streams.items()
            }
            admin = {ADMIN_FIELDS[f]: instance for f in self._streams if f in ADMIN_FIELDS}
            document["kdsStreams"] = {**document.get("kdsStreams", {}), **held}
            document["envoyAdminStreams"] = {**document.get("envoyAdminStreams", {}), **admin}
        if self._checked_at:
            document["healthCheck"] = {"time": proto_timestamp(self._checked_at)}
        return document
