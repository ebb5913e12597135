"""The port at which other replicas call: pings of followers, and questions about proxies."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

import grpc

from kds.admin_calls import AdminQuery, decode_query, encode_answer
from kds.replicas.catalogue import Replica
from kds.replicas.credentials import credentials
from kds.replicas.peers import FORWARD, METHODS, OPTIONS, PING, Peers
from ursa.errors import NotFound, ProtocolError, Unavailable, UrsaError
from ursa.runtime.clock import Clock
from ursa.view.live import LiveView
from ursa.wire import system_pb2

log = logging.getLogger(__name__)

Answer: TypeAlias = Callable[[AdminQuery], Awaitable[bytes]]
"""Asks a proxy by its name in this control plane; raises UrsaError."""


class ReplicaPort:
    """A supervised component."""

    def __init__(
        self,
        own: Replica,
        live: LiveView,
        peers: Peers,
        clock: Clock,
        *,
        pinged: Callable[[Replica, bool], bool],
        answer: Answer,
    ) -> None:
        """Args:
        own: this replica.
        live: where the CA is.
        peers: gets the credentials, too.
        clock: time.
        pinged: takes a ping and whether its sender is ready, returns whether this replica leads.
        answer: asks proxies.
        """
        self._own, self._live, self._peers, self._clock = own, live, peers, clock
        self._pinged, self._answer = pinged, answer

    async def run(self) -> None:
        """Serves until cancelled; raises Unavailable when the port is taken, to be started again."""
        own = await credentials(self._live, self._own.address, self._clock)
        self._peers.credentials = own
        server = grpc.aio.server(options=[*OPTIONS, ("grpc.so_reuseport", 0)])
        asked = {
            name: grpc.unary_unary_rpc_method_handler(partial(self._forwarded, call)) for call, name in METHODS.items()
        }
        server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(PING, {"Ping": grpc.unary_unary_rpc_method_handler(self._ping)}),
                grpc.method_handlers_generic_handler(FORWARD, asked),
            )
        )
        try:
            server.add_secure_port(f"[::]:{self._own.port}", own.server())
        except RuntimeError as error:
            raise Unavailable(f"cannot listen on port {self._own.port} for other replicas: {error}") from None
        await server.start()
        log.info("listening", extra={"server": "replicas", "port": self._own.port})
        try:
            await asyncio.Event().wait()
        finally:
            await server.stop(0)
            await self._peers.close()

    async def _ping(self, request: bytes, _: grpc.aio.ServicerContext) -> bytes:
        ping = system_pb2.PingRequest.FromString(request)
        replica = Replica(ping.instance_id, ping.address, ping.inter_cp_port)
        leads = self._pinged(replica, ping.ready)
        return system_pb2.PingResponse(leader=leads).SerializeToString()

    async def _forwarded(self, call: str, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        try:
            request_id, query = decode_query(call, request)
            return encode_answer(call, request_id, await self._answer(query))
        except ProtocolError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except NotFound as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))
        except UrsaError as error:
            return encode_answer(call, request_id, error=str(error))
        raise AssertionError("an aborted call goes on")
