"""The global's KDS port: five streams and a health check for every zone, on raw bytes.

Who a zone is and what is known about it is the business of `ZoneDirectory`; here streams are accepted, connected to
their sessions and ended with the status codes that Kuma's zones expect.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeAlias

import grpc

from kds import features
from kds.admin_calls import CALLS
from kds.applier import Applier
from kds.byte_stream import read_message
from kds.counting import CountingInterceptor
from kds.downward import CLUSTER_ID
from kds.held import held_versions
from kds.liveness import Limits, Patience
from kds.metrics import SyncObserver
from kds.offer import Audience, OneZone
from kds.ownership import FromZone
from kds.publisher import Publisher
from kds.replicas.holdings import Crowded, Leaving
from kds.requester import Node, Requester
from kds.rollout_report import REPORT
from kds.sender import Sender, Speaker
from kds.streams import Line, race, run_requester, run_sender
from kds.transport import (
    DOWN,
    ELSEWHERE,
    FEATURES,
    GLOBAL_SERVICE,
    HEALTH,
    SYNC_SERVICE,
    UP,
    Caller,
    node_metadata,
    read_caller,
    server_options,
)
from kds.tuning import Tuning
from kds.tunnel import AdminTunnel
from kds.watermarks import Received
from kds.wire import Request, Response
from ursa.errors import Conflict, ProtocolError, Unauthenticated, Unavailable, UrsaError
from ursa.model.json import JsonObject
from ursa.model.kind import Registry, Sync
from ursa.runtime.clock import Clock
from ursa.runtime.grpc_counts import GrpcCounts
from ursa.store.contract import Store
from ursa.view.live import LiveView
from ursa.wire import mesh_pb2

log = logging.getLogger(__name__)

Context: TypeAlias = grpc.aio.ServicerContext
Handler: TypeAlias = Callable[[Caller, Context], Awaitable[None]]

LINGER = 0.5
"""Seconds for which a refused stream is still read. No setting: a peer that writes for longer learns why it was refused
from its next attempt."""

CODES = {
    ProtocolError: grpc.StatusCode.INVALID_ARGUMENT,
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    Conflict: grpc.StatusCode.ALREADY_EXISTS,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
}
"""Status of a stream that ends with an error. CANCELLED is never used: Kuma's zones take it for a shutdown."""


class ZoneConnection(Protocol):
    """A connected zone, as long as its stream downwards lasts."""

    def progress(self) -> None:
        """Watermarks of the stream downwards changed."""

    async def ended(self) -> None:
        """Returns never; raises why the connection must end (replaced, silent, disabled)."""


class Tenure(Protocol):
    """The right of one control plane to speak for a zone."""

    async def lost(self) -> None:
        """Returns never; raises Conflict when another control plane speaks for the zone."""


class ZoneDirectory(Protocol):
    """Knows the zones that are connected to this replica."""

    async def authenticate(self, caller: Caller) -> None:
        """Raises Unauthenticated when the caller does not prove that it is this zone."""

    async def connect(self, caller: Caller, metadata: JsonObject, sender: Sender) -> ZoneConnection:
        """Registers a zone by the first request on its stream downwards; raises Conflict if it is a second one."""

    async def disconnect(self, connection: ZoneConnection) -> None:
        """The stream downwards ended."""

    async def connected(self, caller: Caller) -> Tenure:
        """Returns when the zone of this caller is registered; raises Unavailable if that does not happen."""

    def stream(self, zone: str, method: str) -> AbstractContextManager[None]:
        """While this lasts, a stream of a registered zone is held by this replica."""

    def received(self, zone: str, marks: Mapping[str, Received]) -> None:
        """Where the watermarks of the stream upwards are."""

    def reported(self, zone: str, response: Response) -> None:
        """The zone tells how far its proxies are."""

    def heard(self, zone: str) -> None:
        """Something came on the stream upwards."""

    def checked(self, zone: str) -> float:
        """The zone called the health check; returns the interval for the next one, 0 for the zone's own."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the server works with."""

    store: Store
    live: LiveView
    registry: Registry
    clock: Clock
    publisher: Publisher
    directory: ZoneDirectory
    tunnel: AdminTunnel
    observer: SyncObserver = field(default_factory=SyncObserver)
    calls: GrpcCounts | None = None


class KdsServer:
    """All calls of zones."""

    def __init__(self, parts: Parts, *, instance: str, tuning: Tuning | None = None) -> None:
        self._parts, self._instance, self._tuning = parts, instance, tuning or Tuning()
        self._up = [kind for kind in parts.registry if Sync.UP in kind.sync]
        self._patience: dict[tuple[str, str], Patience] = {}
        """With each zone's streams, by their methods."""
        self._server: grpc.aio.Server | None = None

    async def start(self, address: str, credentials: grpc.ServerCredentials | None) -> int:
        """Listens and returns the port."""
        server = self._server = grpc.aio.server(
            interceptors=[] if self._parts.calls is None else [CountingInterceptor(self._parts.calls)],
            options=server_options(self._tuning.max_message, self._tuning.keepalive),
        )
        admin = {call.stream: self._stream(partial(self._admin, name)) for name, call in CALLS.items()}
        health = grpc.unary_unary_rpc_method_handler(self._health_check)
        sync = {DOWN: self._stream(self._sync_down), UP: self._stream(self._sync_up)}
        server.add_generic_rpc_handlers(
            [
                grpc.method_handlers_generic_handler(SYNC_SERVICE, sync),
                grpc.method_handlers_generic_handler(GLOBAL_SERVICE, {**admin, HEALTH: health}),
            ]
        )
        if credentials is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, credentials)
        await server.start()
        return int(port)

    async def stop(self, grace: float = 1.0) -> None:
        """Ends all streams."""
        if self._server is not None:
            await self._server.stop(grace)

    def _stream(self, handler: Handler) -> grpc.RpcMethodHandler:
        """A handler that knows its caller, and ends its stream with the status that fits the error."""

        async def handle(_requests: object, context: Context) -> None:
            zone = ""
            try:
                caller = read_caller(context.invocation_metadata() or (), context.peer())
                zone = caller.zone
                # Said before anything that takes time, so that the zone knows at once what silence means.
                await context.send_initial_metadata(((FEATURES, features.HEARTBEAT),))
                await self._parts.directory.authenticate(caller)
                await handler(caller, context)
            except grpc.aio.InternalError as error:
                # Writing to a peer that has just gone; there is nobody to tell.
                log.debug("zone stream broke", extra={"error": str(error), "peer": context.peer()})
            except UrsaError as error:
                moves = isinstance(error, Crowded)
                log.log(
                    _level_of(error),
                    "zone stream ended",
                    extra={"zone": zone, "error": str(error), "peer": context.peer()},
                )
                await self._let_finish(context)
                code = next((c for kind, c in CODES.items() if isinstance(error, kind)), grpc.StatusCode.INTERNAL)
                elsewhere = ((ELSEWHERE, ""),) if moves else ()
                await context.abort(code, str(error), trailing_metadata=elsewhere)

        return grpc.stream_stream_rpc_method_handler(handle)

    async def _let_finish(self, context: Context) -> None:
        """Reads on for a moment: a peer that is still writing when its stream ends never learns why."""

        async def drain() -> None:
            while await read_message(context) is not None:
                pass

        await race(drain(), self._parts.clock.sleep(LINGER))

    async def _sync_down(self, caller: Caller, context: Context) -> None:
        def audience(metadata: JsonObject) -> Audience:
            return OneZone(caller.zone, frozenset(metadata.get(features.KEY, ())))

        parts = self._parts
        tuning = self._tuning
        speaker = Speaker(
            "global",
            tuning.max_message,
            self._epoch,
            tuning.pace,
            tuning.chunk,
            tuning.remembered,
            tuning.interval,
        )
        sender = Sender(parts.publisher, audience, speaker, clock=parts.clock, observer=parts.observer)
        sender.beaten = features.HEARTBEAT in caller.features
        first: asyncio.Future[Request] = asyncio.get_running_loop().create_future()
        connection: ZoneConnection | None = None

        def on_request(request: Request) -> None:
            if not first.done():
                first.set_result(request)

        def on_progress() -> None:
            if connection is not None:
                connection.progress()

        async def keep_registered() -> None:
            nonlocal connection
            connection = await parts.directory.connect(caller, (await first).metadata, sender)
            # The answers may have been faster, and with nothing to say there are no others.
            connection.progress()
            with parts.directory.stream(caller.zone, DOWN):
                await connection.ended()

        try:
            with self._patience_with(caller.zone, DOWN) as limits:
                line = Line(context, limits, parts.clock)
                await run_sender(line, sender, parts.publisher, on_request, on_progress, keep_registered())
        finally:
            if connection is not None:
                await parts.directory.disconnect(connection)

    async def _sync_up(self, caller: Caller, context: Context) -> None:
        parts = self._parts
        # What a zone sends is stored in its name, so it must be registered, and as the only one of that name.
        tenure = await parts.directory.connected(caller)
        ownership = FromZone(caller.zone, hashed=features.HASH_SUFFIX in caller.features)
        held = None
        if features.RESUME in caller.features:
            held = await held_versions(parts.live.current, self._up, ownership)
        applier = Applier(
            parts.store,
            parts.live,
            parts.registry,
            parts.clock,
            ownership,
            self._tuning.pace,
            attempts=self._tuning.attempts,
            observer=parts.observer,
        )
        parts.directory.received(caller.zone, applier.marks)
        reports = {}
        if features.ROLLOUT in caller.features:
            reports[REPORT] = partial(parts.directory.reported, caller.zone)
        requester = Requester(
            self._up, Node(caller.zone, node_metadata("", self._instance)), held, reports=reports, quiet=True
        )
        requester.beats = features.HEARTBEAT in caller.features
        heard = partial(parts.directory.heard, caller.zone)
        with parts.directory.stream(caller.zone, UP), self._patience_with(caller.zone, UP) as limits:
            line = Line(context, limits, parts.clock)
            await race(run_requester(line, requester, applier, heard), tenure.lost())

    async def _admin(self, call: str, caller: Caller, context: Context) -> None:
        tenure = await self._parts.directory.connected(caller)
        with self._parts.directory.stream(caller.zone, CALLS[call].stream):
            await race(self._parts.tunnel.serve(caller.zone, call, context), tenure.lost())

    def _patience_with(self, zone: str, method: str) -> AbstractContextManager[Limits]:
        """The limits of a stream while it lasts."""
        fresh = Patience(self._tuning.limits, self._parts.clock)
        return self._patience.setdefault((zone, method), fresh).stream()

    def _epoch(self) -> str:
        """The id of this global, to which revisions belong."""
        config = self._parts.live.current.get("Config", "", CLUSTER_ID)
        return str(config.spec.get("config", "")) if config is not None else ""

    async def _health_check(self, _request: bytes, context: Context) -> bytes:
        try:
            caller = read_caller(context.invocation_metadata() or (), context.peer())
            await self._parts.directory.authenticate(caller)
        except ProtocolError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except Unauthenticated as error:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(error))
        answer = mesh_pb2.ZoneHealthCheckResponse()
        answer.interval.FromNanoseconds(round(self._parts.directory.checked(caller.zone) * 1e9))
        return answer.SerializeToString()


def _level_of(end: UrsaError) -> int:
    """How much the end of a stream matters: one ordered here is no trouble, and a stop is told once for all."""
    if isinstance(end, Leaving):
        return logging.DEBUG
    return logging.INFO if isinstance(end, Crowded) else logging.WARNING
