"""Which zones are connected to this replica of the global, and what is recorded about them (`spec/kds.md` §7).

One control plane per zone name: a second one with the same name would erase what the first one reported. A connection
from the same instance replaces the older one; any other has to wait until that one is gone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType

from kds import features
from kds.insight import History, Session
from kds.sender import Sender
from kds.status import ZoneStatus
from kds.transport import Caller
from kds.watermarks import Received, Sent
from ursa.errors import AlreadyExists, Conflict, Unavailable
from ursa.model.json import JsonObject
from ursa.model.kind import Registry
from ursa.model.resource import Resource
from ursa.runtime.clock import Clock
from ursa.runtime.config import Settings
from ursa.runtime.tasks import cancel_and_wait, spawn
from ursa.store.contract import Create, Store
from ursa.view.live import LiveView

log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds that a stream waits for its zone's registration, which arrives on another stream."""

SPLIT_PATIENCE = 3.0
"""Seconds that a stream waits for a registration from its own connection, when the zone has one from another: a proxy
in front of us may split the streams of a zone, but a second control plane of that name must not slip in."""


@dataclass(slots=True, eq=False)
class Connection:
    """A connected zone; see `kds.server.ZoneConnection`."""

    caller: Caller
    session: Session
    sender: Sender
    status: ZoneStatus
    writer: asyncio.Task[None]
    over: asyncio.Future[None]
    guard: asyncio.Task[None] | None = None
    received: Mapping[str, Received] = field(default_factory=dict)
    heard: float = 0.0
    silence: float = 0.0
    """Seconds without a health check after which the zone counts as gone; 0 = any."""

    def progress(self) -> None:
        """See `ZoneConnection`."""
        self.status.follow(self.sender.marks)

    async def ended(self) -> None:
        """See `ZoneConnection`."""
        await asyncio.shield(self.over)

    async def watch(self, clock: Clock) -> None:
        """Ends the connection when the zone has been silent for too long."""
        while self.silence and (left := self.heard + self.silence - clock.monotonic()) > 0:
            await clock.sleep(left)
        if self.silence:
            self.end("zone health check failed")

    def end(self, reason: str) -> None:
        """Makes the streams of this connection end."""
        if not self.over.done():
            self.over.set_exception(Unavailable(reason))
            self.over.exception()


class Zones:
    """The directory of connected zones; see `kds.server.ZoneDirectory`."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        live: LiveView,
        registry: Registry,
        clock: Clock,
        *,
        instance: str,
        authenticate: Callable[[Caller], None] = lambda _: None,
    ) -> None:
        """Args: as their names say; `authenticate` raises Unauthenticated."""
        self._settings, self._store, self._live, self._registry, self._clock = settings, store, live, registry, clock
        self._instance, self._check = instance, authenticate
        self._connections: dict[str, Connection] = {}
        self._finished: dict[str, Sent] = {}
        self._arrivals = asyncio.Event()

    @property
    def connections(self) -> Mapping[str, Connection]:
        """Connected zones by name."""
        return MappingProxyType(self._connections)

    def sent(self) -> Iterator[Mapping[str, Sent]]:
        """Watermarks of all streams downwards: those that are open, and the sum of those that were."""
        yield from (connection.sender.marks for connection in self._connections.values())
        yield self._finished

    async def authenticate(self, caller: Caller) -> None:
        """See `ZoneDirectory`."""
        self._check(caller)

    async def connect(self, caller: Caller, metadata: JsonObject, sender: Sender) -> Connection:
        """See `ZoneDirectory`."""
        session = self._session(caller, metadata)
        older = self._connections.get(caller.zone)
        if older is not None and older.session.zone_instance != session.zone_instance and not older.over.done():
            raise Conflict(f"zone {caller.zone} is already connected from instance {older.session.zone_instance}")
        if older is not None:
            older.end(f"zone {caller.zone} has connected anew")
            await self.disconnect(older)
        kds, zones = self._settings.multizone.global_.kds, self._settings.metrics.zone
        status = ZoneStatus(
            self._store,
            self._clock,
            self._registry["ZoneInsight"],
            caller.zone,
            session,
            flush_interval=kds.zone_insight_flush_interval,
            history=History(zones.subscription_limit, zones.compact_finished_subscriptions),
        )
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        writer = spawn(self._keep(caller.zone, status), f"status of zone {caller.zone}")
        silence = kds.zone_health_check.timeout if features.PING in caller.features else 0.0
        connection = Connection(
            caller, session, sender, status, writer, over, heard=self._clock.monotonic(), silence=silence
        )
        connection.guard = spawn(connection.watch(self._clock), f"health of zone {caller.zone}")
        self._connections[caller.zone] = connection
        self._arrivals.set()
        self._arrivals = asyncio.Event()
        log.info("zone connected", extra={"zone": caller.zone, "instance": session.zone_instance})
        return connection

    async def disconnect(self, connection: object) -> None:
        """See `ZoneDirectory`."""
        if not isinstance(connection, Connection):
            return
        if self._connections.get(connection.caller.zone) is connection:
            del self._connections[connection.caller.zone]
            for kind, mark in connection.sender.marks.items():
                self._finished.setdefault(kind, Sent()).add(mark)
            log.info("zone disconnected", extra={"zone": connection.caller.zone})
        connection.end("the stream has ended")
        await cancel_and_wait(connection.writer, *([connection.guard] if connection.guard else []))

    async def close(self) -> None:
        """Ends all connections; returns when all of that is recorded."""
        for connection in list(self._connections.values()):
            connection.end("the global control plane is shutting down")
            await self.disconnect(connection)

    async def connected(self, caller: Caller) -> None:
        """See `ZoneDirectory`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SPLIT_PATIENCE if caller.zone in self._connections else PATIENCE):
                await self._registered(caller)
        if caller.zone not in self._connections:
            raise Unavailable(f"zone {caller.zone} is not registered")

    def stream_opened(self, zone: str, field: str) -> None:
        """See `ZoneDirectory`."""
        if zone in self._connections:
            self._connections[zone].status.stream_opened(field)

    def received(self, zone: str, marks: Mapping[str, Received]) -> None:
        """See `ZoneDirectory`."""
        if zone in self._connections:
            self._connections[zone].received = marks

    def checked(self, zone: str) -> float:
        """See `ZoneDirectory`."""
        health = self._settings.multizone.global_.kds.zone_health_check
        if zone in self._connections:
            self._connections[zone].heard = self._clock.monotonic()
            self._connections[zone].status.checked(record=health.timeout > 0)
        return health.poll_interval

    def _session(self, caller: Caller, metadata: JsonObject) -> Session:
        return Session(
            self._clock.new_id(),
            self._instance,
            self._clock.now_ns(),
            zone_instance=str(metadata.get("control-plane-id", "")),
            version=metadata.get("version", {}).get("kumaCp", {}),
            config=str(metadata.get("config", "")),
            token_provided=bool(caller.token),
        )

    async def _keep(self, zone: str, status: ZoneStatus) -> None:
        """Makes sure that the Zone exists, then records the connection until it is over."""
        if self._live.current.get("Zone", "", zone) is None:
            with suppress(AlreadyExists):
                await self._store.write([Create(Resource("Zone", "", zone, {"enabled": True}))])
                log.info("zone registered", extra={"zone": zone})
        await status.run()

    async def _registered(self, caller: Caller) -> None:
        """Waits for a registration over the caller's own connection."""
        while True:
            connection = self._connections.get(caller.zone)
            if connection is not None and connection.caller.peer == caller.peer:
                return
            await self._arrivals.wait()
