"""Calls from this replica to others: one connection per address, closed when it was not used for a while."""

from __future__ import annotations

from dataclasses import dataclass

import grpc

from kds.admin_calls import AdminQuery, decode_answer, encode_query
from kds.replicas.catalogue import Replica
from kds.replicas.credentials import Credentials
from kds.transport import KEEPALIVE
from ursa.errors import Unavailable
from ursa.runtime.clock import Clock
from ursa.wire import system_pb2

FORWARD = "kuma.mesh.v1alpha1.InterCPEnvoyAdminForwardService"
PING = "kuma.system.v1alpha1.InterCpPingService"
METHODS = {"config": "XDSConfig", "stats": "Stats", "clusters": "Clusters"}
"""Method by question."""

UNUSED = 300.0
"""Seconds after which a connection that is not used is closed."""

TIMEOUT = 15.0
"""Seconds for a call; the other replica gives the zone ten."""

OPTIONS = [
    ("grpc.keepalive_time_ms", KEEPALIVE),
    ("grpc.keepalive_timeout_ms", KEEPALIVE),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]


@dataclass(slots=True)
class _Link:
    channel: grpc.aio.Channel
    used_at: float


class Peers:
    """All connections to other replicas."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._links: dict[tuple[str, int], _Link] = {}
        self.credentials: Credentials | None = None
        """Set once this replica has them."""

    async def ping(self, leader: Replica, own: Replica, *, ready: bool) -> bool:
        """Tells the leader that this replica lives; returns whether it is one. Raises Unavailable."""
        request = system_pb2.PingRequest(
            instance_id=own.id, address=own.address, inter_cp_port=own.port, ready=ready
        ).SerializeToString()
        answer = await self._call(leader, f"/{PING}/Ping", request)
        return bool(system_pb2.PingResponse.FromString(answer).leader)

    async def ask(self, replica: Replica, query: AdminQuery) -> bytes:
        """What a proxy says through another replica; the query names it as the control plane does.

        Raises:
            Unavailable: the replica or the zone cannot be reached, or the proxy could not be asked.
        """
        answer = await self._call(replica, f"/{FORWARD}/{METHODS[query.call]}", encode_query(query, ""))
        _, result, error = decode_answer(query.call, answer)
        if error:
            raise Unavailable(error)
        return result

    async def close(self) -> None:
        """Closes all connections."""
        for link in self._links.values():
            await link.channel.close()
        self._links.clear()

    async def _call(self, replica: Replica, method: str, request: bytes) -> bytes:
        channel = await self._channel(replica.address, replica.port)
        try:
            answer: bytes = await channel.unary_unary(method)(request, timeout=TIMEOUT)
        except grpc.aio.AioRpcError as error:
            details = error.details() or error.code().name
            raise Unavailable(f"replica {replica.id} cannot be asked: {details}") from None
        return answer

    async def _channel(self, address: str, port: int) -> grpc.aio.Channel:
        if self.credentials is None:
            raise Unavailable("this replica has no certificate yet")
        now = self._clock.monotonic()
        for key in [key for key, link in self._links.items() if now - link.used_at > UNUSED]:
            await self._links.pop(key).channel.close()
        link = self._links.get((address, port))
        if link is None:
            target = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
            channel = grpc.aio.secure_channel(target, self.credentials.channel(), OPTIONS)
            link = self._links[address, port] = _Link(channel, now)
        link.used_at = now
        return link.channel
