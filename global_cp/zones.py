"""Which zones are connected to this replica of the global, and what is recorded about them (`spec/kds.md` §7).

One control plane per zone name: a second one with the same name would erase what the first one reported. A connection
from the same instance replaces the older one; any other has to wait until that one is gone, at whichever replica it is.
All streams of a control plane that lost its zone end, and say why.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from kds import features
from kds.admin_calls import CALLS, CLUSTERS, CONFIG, STATS
from kds.insight import History, Session
from kds.replicas.holdings import Crowded, Held, Holdings, Leaving
from kds.rollout_report import Report, decode_report
from kds.sender import Sender
from kds.status import ZoneStatus
from kds.transport import DOWN, UP, Caller
from kds.watermarks import Received, Sent
from kds.wire import Response
from ursa.errors import AlreadyExists, Conflict, ProtocolError, Unavailable, UrsaError
from ursa.model.json import JsonObject
from ursa.model.kind import Registry
from ursa.model.resource import Resource
from ursa.runtime.clock import Clock
from ursa.runtime.config import Settings
from ursa.runtime.tasks import cancel_and_wait, spawn
from ursa.store.contract import Create, Store
from ursa.store.retries import retries_of
from ursa.view.live import LiveView

log = logging.getLogger(__name__)

AGAIN = 1.0
"""Seconds after which what the store could not take is tried again, give or take a half. No setting: the store itself
says when it is back, and until then this costs nothing."""


class Tenure:
    """See `kds.server.Tenure`."""

    def __init__(self, instance: str) -> None:
        self.instance = instance
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def lost(self) -> None:
        """See `kds.server.Tenure`."""
        await asyncio.shield(self._over)

    def end(self, reason: str) -> None:
        """Somebody else speaks for the zone now."""
        if not self._over.done():
            self._over.set_exception(Conflict(reason))
            self._over.exception()


RECORDED = {
    DOWN: "globalToZone",
    UP: "zoneToGlobal",
    CALLS[CONFIG].stream: "configDump",
    CALLS[STATS].stream: "stats",
    CALLS[CLUSTERS].stream: "clusters",
}
"""Name of each stream in a ZoneInsight."""


@dataclass(slots=True, eq=False)
class Connection:
    """A connected zone; see `kds.server.ZoneConnection`."""

    caller: Caller
    session: Session
    sender: Sender
    status: ZoneStatus
    writer: asyncio.Task[None]
    over: asyncio.Future[None]
    progressed: Callable[[str], None]
    guard: asyncio.Task[None] | None = None
    held: Held | None = None
    heard: float = 0.0
    silence: float = 0.0
    """Seconds without a health check after which the zone counts as gone; 0 = any."""

    def progress(self) -> None:
        """See `ZoneConnection`."""
        self.status.follow(self.sender.marks, settled=self.sender.settled)
        self.progressed(self.caller.zone)

    async def ended(self) -> None:
        """See `ZoneConnection`."""
        await asyncio.shield(self.over)

    async def watch(self, clock: Clock) -> None:
        """Ends the connection when the zone has been silent for too long."""
        while self.silence and (left := self.heard + self.silence - clock.monotonic()) > 0:
            await clock.sleep(left)
        if self.silence:
            self.end(Unavailable("zone health check failed"))

    def end(self, reason: UrsaError) -> None:
        """Makes the stream downwards end."""
        if not self.over.done():
            self.over.set_exception(reason)
            self.over.exception()


@dataclass(slots=True)
class Memory:
    """What this replica remembers of a zone, connected or not.

    Attributes:
        tenure: who speaks for it.
        seen: when something was heard of it for the last time, nanoseconds.
        received: watermarks of the stream upwards.
        sent: watermarks of the newest stream downwards.
        open: methods of the streams that are open, beside the one downwards.
    """

    tenure: Tenure
    seen: int = 0
    received: Mapping[str, Received] = field(default_factory=dict)
    sent: Mapping[str, Sent] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)
    reports: dict[int, Report] | None = None
    """How far its proxies are, by revision; None when it does not tell."""


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
        holdings: Holdings,
        authenticate: Callable[[Caller], None] = lambda _: None,
    ) -> None:
        """Args: as their names say; `authenticate` raises Unauthenticated."""
        self._holdings = holdings
        self._settings, self._store, self._live, self._registry, self._clock = settings, store, live, registry, clock
        self._instance, self._check = instance, authenticate
        self._connections: dict[str, Connection] = {}
        self._memories: dict[str, Memory] = {}
        self._progress: list[Callable[[str], None]] = []
        self._arrivals = asyncio.Event()
        self._endings: set[asyncio.Task[None]] = set()
        self._late: set[asyncio.Task[None]] = set()
        """Records of ends that the store could not take."""

    @property
    def connections(self) -> Mapping[str, Connection]:
        """Connected zones by name."""
        return MappingProxyType(self._connections)

    @property
    def memories(self) -> Mapping[str, Memory]:
        """What is known of every zone that was connected to this replica."""
        return MappingProxyType(self._memories)

    def versions(self) -> Iterator[str]:
        """The version of every connected zone."""
        return (str(connection.session.version.get("version", "")) for connection in self._connections.values())

    async def authenticate(self, caller: Caller) -> None:
        """See `ZoneDirectory`."""
        self._check(caller)

    async def connect(self, caller: Caller, metadata: JsonObject, sender: Sender) -> Connection:
        """See `ZoneDirectory`."""
        session = self._session(caller, metadata)
        self._check_alone(caller.zone, session.zone_instance)
        older = self._connections.get(caller.zone)
        if older is not None:
            older.end(Unavailable(f"zone {caller.zone} has connected anew"))
            await self.disconnect(older)
        self._remember(caller.zone, session.zone_instance, sender)
        kds, zones = self._settings.multizone.global_.kds, self._settings.metrics.zone
        status = ZoneStatus(
            self._store,
            self._clock,
            self._registry["ZoneInsight"],
            caller.zone,
            session,
            flush_interval=kds.zone_insight_flush_interval,
            history=History(zones.subscription_limit, zones.compact_finished_subscriptions),
            retries=retries_of(self._settings.store.upsert),
        )
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        writer = spawn(self._keep(caller.zone, status), f"status of zone {caller.zone}")
        silence = kds.zone_health_check.timeout if features.PING in caller.features else 0.0
        connection = Connection(
            caller,
            session,
            sender,
            status,
            writer,
            over,
            self._progressed,
            heard=self._clock.monotonic(),
            silence=silence,
        )
        connection.guard = spawn(connection.watch(self._clock), f"health of zone {caller.zone}")
        connection.held = self._holdings.add(caller.zone, lambda: connection.end(Crowded()))
        self._connections[caller.zone] = connection
        self._arrivals.set()
        self._arrivals = asyncio.Event()
        log.info("zone connected", extra={"zone": caller.zone, "instance": session.zone_instance})
        return connection

    def _check_alone(self, zone: str, instance: str) -> None:
        """Raises Conflict when another control plane is connected as this zone, here or at another replica."""
        held = self._connections.get(zone)
        if held is not None and held.session.zone_instance != instance and not held.over.done():
            raise Conflict(f"zone {zone} is already connected from instance {held.session.zone_instance}")
        newest = newest_subscription(self._live.current.get("ZoneInsight", "", zone))
        holder, other = str(newest.get("globalInstanceId", "")), str(newest.get("zoneInstanceId", ""))
        if newest and not newest.get("disconnectTime") and holder != self._instance and other not in ("", instance):
            raise Conflict(f"zone {zone} is already connected from instance {other}, to {holder}")

    def _remember(self, zone: str, instance: str, sender: Sender) -> None:
        memory = self._memories.get(zone)
        if memory is None or memory.tenure.instance != instance:
            if memory is not None:
                memory.tenure.end(f"zone {zone} is now connected from instance {instance}")
            memory = self._memories[zone] = Memory(Tenure(instance))
        memory.sent, memory.seen = sender.marks, self._clock.now_ns()

    async def follow_others(self) -> None:
        """Ends connections of zones that are now connected to another replica; runs until cancelled."""
        await self._live.ready.wait()
        subscription = self._live.subscribe("zones of other replicas")
        try:
            while True:
                for change in (await subscription.next()).touched.of("ZoneInsight"):
                    held, newest = self._connections.get(change.key.name), newest_subscription(change.after)
                    holder = newest.get("globalInstanceId", self._instance)
                    if held is not None and newest.get("disconnectTime") and newest.get("id") == held.session.id:
                        # Another replica took this one for dead while its lease could not be renewed.
                        held.status.dispute()
                    if held is None or holder == self._instance or newest.get("disconnectTime"):
                        continue
                    instance = newest.get("zoneInstanceId", "")
                    reason = f"zone {change.key.name} is now connected from instance {instance}, to {holder}"
                    self._memories[change.key.name].tenure.end(reason)
                    held.end(Conflict(reason))
        finally:
            subscription.close()

    async def disconnect(self, connection: object) -> None:
        """See `ZoneDirectory`."""
        if not isinstance(connection, Connection):
            return
        if connection.caller.zone in self._memories:
            self._memories[connection.caller.zone].seen = self._clock.now_ns()
        if self._connections.get(connection.caller.zone) is connection:
            del self._connections[connection.caller.zone]
            log.info("zone disconnected", extra={"zone": connection.caller.zone})
        if connection.held is not None:
            self._holdings.discard(connection.held)
        connection.end(Unavailable("the stream has ended"))
        # gRPC cancels a handler when its peer is gone, maybe right now; whether the end is recorded, and so whether
        # another control plane may speak for the zone, must not depend on that.
        await asyncio.shield(_kept(self._stop(connection), self._endings))

    async def _stop(self, connection: Connection) -> None:
        await cancel_and_wait(connection.writer, *([connection.guard] if connection.guard else []))
        if not connection.status.recorded:
            _kept(self._record_late(connection.status), self._late)

    async def _record_late(self, status: ZoneStatus) -> None:
        """Records the end of a connection once the store is back."""
        while not await status.record():
            await self._clock.sleep(self._clock.uniform(0.5, 1.5) * AGAIN)

    async def close(self) -> None:
        """Ends all connections; returns when all of that is recorded."""
        for connection in list(self._connections.values()):
            connection.end(Leaving())
            await self.disconnect(connection)
        await asyncio.gather(*self._endings)
        await cancel_and_wait(*self._late)

    async def connected(self, caller: Caller) -> Tenure:
        """See `ZoneDirectory`."""
        # The registration arrives on another stream. When the zone has one from another connection, a proxy in front of
        # us may split its streams, but a second control plane of that name must not slip in.
        kds = self._settings.multizone.global_.kds
        patience = kds.split_registration_timeout if caller.zone in self._connections else kds.registration_timeout
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._registered(caller)
        if caller.zone not in self._connections:
            raise Unavailable(f"zone {caller.zone} is not registered")
        return self._memories[caller.zone].tenure

    @contextmanager
    def stream(self, zone: str, method: str) -> Iterator[None]:
        """See `ZoneDirectory`."""
        if zone in self._connections:
            self._connections[zone].status.stream_opened(RECORDED[method])
        opened = self._memories[zone].open
        opened.add(method)
        try:
            yield
        finally:
            opened.discard(method)

    def received(self, zone: str, marks: Mapping[str, Received]) -> None:
        """See `ZoneDirectory`."""
        if zone in self._memories:
            self._memories[zone].received = marks

    def reported(self, zone: str, response: Response) -> None:
        """See `ZoneDirectory`."""
        memory = self._memories.get(zone)
        if memory is None:
            return
        reports = dict(memory.reports or {})
        for item in response.items:
            # Shown, never acted upon: one that cannot be read is missing, no more.
            with suppress(ProtocolError):
                report = decode_report(item)
                reports[report.revision] = report
        for removed in response.removed:
            reports = {revision: report for revision, report in reports.items() if str(revision) != removed}
        memory.reports = reports
        self._progressed(zone)

    def on_progress(self, listener: Callable[[str], None]) -> None:
        """Calls the listener with the name of a zone that got further, for ever."""
        self._progress.append(listener)

    def _progressed(self, zone: str) -> None:
        for listener in self._progress:
            listener(zone)

    def heard(self, zone: str) -> None:
        """See `ZoneDirectory`."""
        if zone in self._memories:
            self._memories[zone].seen = self._clock.now_ns()

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
        while self._live.current.get("Zone", "", zone) is None:
            try:
                await self._store.write([Create(Resource("Zone", "", zone, {"enabled": True}))])
            except AlreadyExists:
                break
            except Unavailable as error:
                log.info("zone not registered yet", extra={"zone": zone, "error": str(error)})
                await self._clock.sleep(self._clock.uniform(0.5, 1.5) * AGAIN)
            else:
                log.info("zone registered", extra={"zone": zone})
                break
        await status.run()

    async def _registered(self, caller: Caller) -> None:
        """Waits for a registration over the caller's own connection."""
        while True:
            connection = self._connections.get(caller.zone)
            if connection is not None and connection.caller.peer == caller.peer:
                return
            await self._arrivals.wait()


def _kept(work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> asyncio.Task[None]:
    """Starts something that outlives whoever began it, and keeps it in a set until it is done."""
    task = spawn(work, "end of a zone's connection")
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task


def newest_subscription(insight: Resource | None) -> JsonObject:
    """The subscription of a zone that began last, empty when there is none."""
    subscriptions: list[JsonObject] = list(insight.spec.get("subscriptions", ())) if insight is not None else []
    return subscriptions[-1] if subscriptions else {}
