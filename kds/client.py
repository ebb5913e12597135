"""The zone's side of KDS: keeps one connection to the global, over which everything is synced both ways.

The zone lives without it. While the global is away nothing is removed and nothing is tried more often than a jittered
back-off allows; when it is back, only differences travel.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

import grpc

from kds import features
from kds.admin_calls import CALLS, AdminHandler
from kds.admin_responder import AdminLimits, AdminResponder
from kds.applier import Applier
from kds.connection import CallEnded, ClientStream, Connection
from kds.dialing import dial, zone_token
from kds.downward import CLUSTER_ID
from kds.held import held_versions
from kds.insight import History, Session
from kds.liveness import Patience, Silent
from kds.metrics import SyncObserver
from kds.new_global import NewGlobal
from kds.offer import Everyone
from kds.ownership import FromGlobal
from kds.publisher import Publisher
from kds.requester import Node, Requester
from kds.rollout_report import REPORT, Report, encode_report, revision_of
from kds.sender import Sender, Speaker
from kds.status import ZoneStatus
from kds.streams import Line, race, run_requester, run_sender
from kds.transport import DOWN, GLOBAL_SERVICE, HEALTH, SYNC_SERVICE, UP, call_metadata, node_metadata
from kds.tuning import zone_tuning
from kds.upward import Upward
from kds.watermarks import Received, Sent
from kds.wire import Request
from ursa.errors import Unavailable, UrsaError
from ursa.model.kind import Registry, Sync
from ursa.runtime.clock import Clock
from ursa.runtime.config import Settings
from ursa.runtime.tasks import Backoff
from ursa.store.contract import Store
from ursa.store.retries import retries_of
from ursa.view.live import LiveView
from ursa.wire import mesh_pb2

log = logging.getLogger(__name__)

SOON = 0.5
"""Seconds within which a connection is made again that became silent, or that the global wants to lead elsewhere. No
setting: it only matters below the base of the back-off, which is one."""

FINAL = (grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.INVALID_ARGUMENT)
"""How a global refuses a zone as such: nothing on the connection is of use then."""


async def no_proxies(_: object) -> bytes:
    """Answers admin questions where nothing can."""
    raise Unavailable("this control plane cannot reach proxies")


@dataclass(slots=True)
class ClientStatus:
    """What a zone knows about its connection.

    Attributes:
        connected: whether the global has answered on the current connection.
        since: when that last changed, nanoseconds.
        last_error: why the last connection ended or could not be made.
        attempts: connections tried since the last one that worked.
        restarts: how often a sync stream was opened again while its connection went on, by method.
        down: watermarks by type of what the global sends.
        up: watermarks by type of what is sent to the global.
        unsendable: reason by resource of what cannot be sent.
        spared: resources that exist only because the global is another one than before.
    """

    connected: bool = False
    since: int = 0
    last_error: str = ""
    attempts: int = 0
    restarts: dict[str, int] = field(default_factory=dict)
    down: Mapping[str, Received] = field(default_factory=dict)
    up: Mapping[str, Sent] = field(default_factory=dict)
    unsendable: Mapping[str, str] = field(default_factory=dict)
    spared: int = 0


class KdsClient:
    """A supervised component: `run` works until it is cancelled."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        live: LiveView,
        registry: Registry,
        clock: Clock,
        *,
        instance: str,
        admin: AdminHandler = no_proxies,
        on_stored: Callable[[int, int], None] = lambda _revision, _stored: None,
        observer: SyncObserver | None = None,
    ) -> None:
        """Args:
        settings: of the process.
        store: of the zone.
        live: view of that store.
        registry: all kinds.
        clock: time and chance.
        instance: id of this replica.
        admin: asks a proxy of this zone what the global wants to know.
        on_stored: told which revision of the global is stored as which revision of the zone.
        observer: is told what happens on the sync streams.
        """
        self._settings, self._store, self._live, self._registry, self._clock = settings, store, live, registry, clock
        self._zone = settings.multizone.zone
        self._instance, self._admin, self._on_stored = instance, admin, on_stored
        general = settings.general
        # A zone that comes back costs little, and being unknown for a minute after a short outage costs much.
        cap = min(general.resilient_component_max_backoff, self._zone.kds.reconnect_max_wait)
        self._backoff = Backoff(general.resilient_component_base_backoff, cap, jitter=0)
        self._down = [kind for kind in registry if kind.sync & (Sync.DOWN | Sync.ACROSS)]
        self._tuning = zone_tuning(settings)
        self._patience = {method: Patience(self._tuning.limits, clock) for method in (DOWN, UP)}
        self._new_global = NewGlobal(self._zone.kds.new_global_grace, clock)
        self._observer = observer or SyncObserver()
        upward = Upward(registry, self._zone.name, self._zone.kds.labels.skip_prefixes)
        self._global_beats = False
        """Whether the global is known to prove its life on every stream."""
        self._publisher = Publisher(live, upward, observer=self._observer)
        self._status = ClientStatus()

    @property
    def status(self) -> ClientStatus:
        """How the connection is doing."""
        self._status.unsendable = self._publisher.held_back
        self._status.spared = self._new_global.spared
        return self._status

    def report(self, reports: Collection[Report]) -> None:
        """Tells the global how far proxies are, if it wants to know."""
        self._publisher.publish(REPORT, {str(one.revision): encode_report(one) for one in reports})

    async def run(self) -> None:
        """Stays connected until cancelled."""
        await race(self._publisher.run(), self._stay_connected())

    async def _stay_connected(self) -> None:
        await self._live.ready.wait()
        attempt = 0
        while True:
            started = self._clock.monotonic()
            error, wait = "", self._backoff.delay(attempt, self._clock)
            try:
                await self._connection()
            except Silent as failure:
                # The global is there, only the way to it was lost: the next one need not wait long.
                error, wait = str(failure), min(wait, SOON)
            except CallEnded as failure:
                error = str(failure)
                if failure.asks_to_move:
                    attempt, wait = 0, min(wait, SOON)
            except (UrsaError, OSError) as failure:
                error = str(failure)
            if self._clock.monotonic() - started > self._backoff.cap:
                attempt = 0
            what = "connection to the global ended" if self._status.connected else "cannot connect to the global"
            self._note(connected=False, error=error)
            # Anything between nothing and the full delay, so that zones do not come back all at once.
            delay = self._clock.uniform(0, wait)
            log.warning(what, extra={"error": error, "next_try_s": round(delay, 2)})
            attempt += 1
            await self._clock.sleep(delay)

    async def _connection(self) -> None:
        async with await dial(self._zone) as channel:
            metadata = call_metadata(self._zone.name, zone_token(self._zone.kds))
            connection = Connection(channel, metadata, probe_timeout=self._zone.kds.probe_timeout)
            await race(
                self._keep_open(connection, DOWN, self._sync_down),
                self._keep_open(connection, UP, self._sync_up),
                self._check_health(connection),
                *(self._serve_admin(connection, call) for call in CALLS),
            )

    async def _keep_open(
        self, connection: Connection, method: str, sync: Callable[[Connection], Awaitable[None]]
    ) -> None:
        """Opens a sync stream again when it alone has ended; raises its error when that is not the case."""
        attempt = 0
        while True:
            started = self._clock.monotonic()
            try:
                await sync(connection)
            except Unavailable as error:
                over = isinstance(error, CallEnded) and (error.code in FINAL or error.asks_to_move)
                if over or not await connection.works(GLOBAL_SERVICE, HEALTH):
                    raise
                if self._clock.monotonic() - started > self._backoff.cap:
                    attempt = 0
                self._status.restarts[method] = self._status.restarts.get(method, 0) + 1
                log.warning("sync stream is opened again", extra={"method": method, "error": str(error)})
            await self._clock.sleep(self._clock.uniform(0, self._backoff.delay(attempt, self._clock)) * bool(attempt))
            attempt += 1

    async def _sync_down(self, connection: Connection) -> None:
        ownership = FromGlobal()
        held = await held_versions(self._live.current, self._down, ownership)
        config = self._settings.model_dump_json(by_alias=True)
        node = Node(self._zone.name, node_metadata(config, self._instance))
        applier = Applier(
            self._store,
            self._live,
            self._registry,
            self._clock,
            ownership,
            self._tuning.pace,
            on_stored=lambda stamp, stored: self._on_stored(revision_of(stamp), stored),
            admit=self._new_global.admit,
            attempts=self._tuning.attempts,
            observer=self._observer,
        )
        self._status.down = applier.marks
        stream = connection.stream(SYNC_SERVICE, DOWN)
        # A global that has proved its life is expected to do so; should another one have taken its place, we wait once.
        expected, self._global_beats = self._global_beats, False
        # A zone without anything is a new one, and it is good to see that the global has answered for every type.
        requester = Requester(self._down, node, held, quiet=any(held.values()))
        requester.beats = expected
        identity = self._live.current.get("Config", "", CLUSTER_ID)
        self._new_global.start(str(identity.spec.get("config", "")) if identity is not None else "")

        def expect_beats() -> None:
            requester.beats = self._global_beats = True

        async def receive() -> None:
            await run_requester(line, requester, applier, lambda: self._note(connected=True))
            await stream.ended()

        with self._patience[DOWN].stream() as limits:
            line = Line(stream, limits, self._clock)
            await race(receive(), _hear_what_it_can(stream, expect_beats), self._new_global.over())

    async def _sync_up(self, connection: Connection) -> None:
        tuning = self._tuning
        speaker = Speaker(
            self._zone.name, tuning.max_message, lambda: self._instance, tuning.pace, tuning.chunk, tuning.remembered
        )
        sender = Sender(self._publisher, lambda _: Everyone(), speaker, clock=self._clock, observer=self._observer)
        self._status.up = sender.marks
        asked: asyncio.Future[Request] = asyncio.get_running_loop().create_future()
        stream = connection.stream(SYNC_SERVICE, UP)
        status: ZoneStatus | None = None

        def on_request(request: Request) -> None:
            if not asked.done():
                asked.set_result(request)

        def on_progress() -> None:
            if status is not None:
                status.follow(sender.marks, settled=sender.settled)

        def expect_beats() -> None:
            sender.beaten = True

        async def keep_status() -> None:
            nonlocal status
            status = self._new_status(await asked)
            on_progress()
            await status.run()

        with self._patience[UP].stream() as limits:
            line = Line(stream, limits, self._clock)
            sending = run_sender(line, sender, self._publisher, on_request, on_progress, keep_status())
            await race(sending, _hear_what_it_can(stream, expect_beats))
        await stream.ended()

    def _new_status(self, request: Request) -> ZoneStatus:
        """The zone's own record of this connection."""
        metadata = request.metadata
        session = Session(
            self._clock.new_id(),
            str(metadata.get("control-plane-id", "")),
            self._clock.now_ns(),
            zone_instance=self._instance,
            version=metadata.get("version", {}).get("kumaCp", {}),
        )
        zones = self._settings.metrics.zone
        return ZoneStatus(
            self._store,
            self._clock,
            self._registry["ZoneInsight"],
            self._zone.name,
            session,
            flush_interval=self._settings.multizone.global_.kds.zone_insight_flush_interval,
            history=History(zones.subscription_limit, zones.compact_finished_subscriptions),
            retries=retries_of(self._settings.store.upsert),
        )

    async def _check_health(self, connection: Connection) -> None:
        interval = self._zone.kds.health_check_interval
        request = mesh_pb2.ZoneHealthCheckRequest().SerializeToString()
        while True:
            try:
                answer = await connection.call(GLOBAL_SERVICE, HEALTH, request)
            except CallEnded as error:
                if error.code is not grpc.StatusCode.UNIMPLEMENTED:
                    raise
                return await _for_ever()
            named = mesh_pb2.ZoneHealthCheckResponse.FromString(answer).interval
            interval = named.seconds + named.nanos / 1e9 or interval
            await self._clock.sleep(interval)

    async def _serve_admin(self, connection: Connection, call: str) -> None:
        """Keeps one admin stream open. It may fail alone: the other streams do not depend on it."""
        kds = self._zone.kds
        limits = AdminLimits(kds.admin_timeout, kds.admin_concurrency, kds.admin_part_size, kds.max_msg_size)
        responder = AdminResponder(call, self._admin, limits=limits)
        attempt = 0
        while True:
            stream = connection.stream(GLOBAL_SERVICE, CALLS[call].stream)
            try:
                await responder.run(stream)
                await stream.ended()
            except CallEnded as error:
                if error.code is grpc.StatusCode.UNIMPLEMENTED:
                    return await _for_ever()
            await self._clock.sleep(self._clock.uniform(0, self._backoff.delay(attempt, self._clock)))
            attempt += 1

    def _note(self, *, connected: bool, error: str = "") -> None:
        if connected:
            self._status.attempts, self._status.last_error = 0, ""
        else:
            self._status.attempts, self._status.last_error = self._status.attempts + 1, error
        if connected is not self._status.connected:
            self._status.connected, self._status.since = connected, self._clock.now_ns()
            if connected:
                log.info("connected to the global", extra={"address": self._zone.global_address})


async def _hear_what_it_can(stream: ClientStream, proves_life: Callable[[], None]) -> None:
    """Tells whether the global has said on this stream that it proves its life, and never ends."""
    if features.HEARTBEAT in await stream.features():
        proves_life()
    await _for_ever()


async def _for_ever() -> None:
    await asyncio.Event().wait()
