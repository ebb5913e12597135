"""The port at which other replicas call: pings of followers, and questions about proxies."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

import grpc
from google.protobuf.message import DecodeError

from kds.admin_calls import AdminQuery, decode_query, encode_answer
from kds.replicas.catalogue import Replica
from kds.replicas.credentials import Credentials, issue_credentials
from kds.replicas.peers import FORWARD, METHODS, PING, STREAMS, UNLIMITED, Peers
from kds.streams import race
from kds.transport import Keepalive, server_options
from ursa.errors import NotFound, ProtocolError, Unavailable, UrsaError
from ursa.identity.kept_authority import INTER_CP
from ursa.model.resource import Resource
from ursa.runtime.clock import Clock
from ursa.runtime.tls_front import TlsFront
from ursa.runtime.tls_rules import TlsRules
from ursa.view.live import LiveView, Subscription
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
        rules: TlsRules | None = None,
    ) -> None:
        """Args:
        own: this replica.
        live: where the CA is.
        peers: gets the credentials, too.
        clock: time.
        pinged: takes a ping and whether its sender is ready, returns whether this replica leads.
        answer: asks proxies.
        rules: what TLS is accepted.
        """
        self._own, self._live, self._peers, self._clock = own, live, peers, clock
        self._pinged, self._answer, self._rules = pinged, answer, rules or TlsRules()
        self.listening = asyncio.Event()
        """Set once others can call; a replica that nobody can call is none."""

    async def run(self) -> None:
        """Serves until cancelled, with a certificate of the CA that there is; the leader makes it, and may change it.

        Raises:
            Unavailable: the port is taken; to be started again.
            BadKeyMaterial: what should be the CA is none; to be started again.
        """
        await self._live.ready.wait()
        subscription = self._live.subscribe("authority of replicas")
        authority: Resource | None = None
        try:
            while True:
                authority = await self._other_authority(subscription, authority)
                credentials = issue_credentials(authority, self._own.address, self._clock.now_ns())
                await self._peers.trust(credentials)
                await race(self._serve(credentials), self._changed(subscription, authority))
        finally:
            subscription.close()
            await self._peers.close()

    async def _other_authority(self, subscription: Subscription, known: Resource | None) -> Resource:
        """The CA as soon as it is another one; one that is gone is no news."""
        while True:
            found = self._live.current.get("GlobalSecret", "", INTER_CP)
            if found is not None and (known is None or found.spec != known.spec):
                return found
            await subscription.next()

    async def _changed(self, subscription: Subscription, known: Resource) -> None:
        await self._other_authority(subscription, known)

    async def _serve(self, credentials: Credentials) -> None:
        server = grpc.aio.server(options=server_options(UNLIMITED, Keepalive()))
        asked = {
            name: grpc.unary_unary_rpc_method_handler(partial(self._forwarded, call)) for call, name in METHODS.items()
        }
        server.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(PING, {"Ping": grpc.unary_unary_rpc_method_handler(self._ping)}),
                grpc.method_handlers_generic_handler(FORWARD, asked),
            )
        )
        front = None if self._rules.usual else TlsFront(credentials.context(self._rules))
        try:
            if front is None:
                server.add_secure_port(f"[::]:{self._own.port}", credentials.server())
                await server.start()
            else:
                server.add_insecure_port(front.behind)
                await server.start()
                await front.start("", self._own.port)
            log.info("listening", extra={"server": "replicas", "port": self._own.port})
            self.listening.set()
            await asyncio.Event().wait()
        except (RuntimeError, OSError) as error:
            reason = str(error).partition(";")[0].lower()
            raise Unavailable(f"cannot listen on port {self._own.port} for other replicas: {reason}") from None
        finally:
            await server.stop(0)
            if front is not None:
                await front.close()

    async def _ping(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        try:
            ping = system_pb2.PingRequest.FromString(request)
        except DecodeError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"not a ping: {error}")
        streams = str(dict(context.invocation_metadata() or ()).get(STREAMS, ""))
        serves = int(streams) if streams.isdecimal() else 0
        replica = Replica(ping.instance_id, ping.address, ping.inter_cp_port, streams=serves)
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
