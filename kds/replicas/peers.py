"""Calls from this replica to others: one connection per address, closed when it was not used for a while."""

from __future__ import annotations

from dataclasses import dataclass

import grpc

from kds.admin_calls import AdminQuery, decode_answer, encode_query
from kds.replicas.catalogue import Replica
from kds.replicas.credentials import Credentials
from kds.transport import Keepalive, Metadata, client_options
from ursa.errors import Unavailable
from ursa.runtime.clock import Clock
from ursa.runtime.config.multizone import InterCpClient
from ursa.wire import system_pb2

FORWARD = "kuma.mesh.v1alpha1.InterCPEnvoyAdminForwardService"
PING = "kuma.system.v1alpha1.InterCpPingService"
STREAMS = "ursa-streams"
"""Metadata of a ping: how many streams its sender serves."""

METHODS = {"config": "XDSConfig", "stats": "Stats", "clusters": "Clusters"}
"""Method by question."""

UNLIMITED = -1
"""Size of messages: proxies of large meshes have large configurations."""


@dataclass(slots=True)
class _Link:
    channel: grpc.aio.Channel
    used_at: float


class Peers:
    """All connections to other replicas."""

    def __init__(self, clock: Clock, settings: InterCpClient) -> None:
        """Args: `settings` has the time for an answer about a proxy. The other replica gives the zone its own time for
        every part of that, so this only ends what would never end; a replica that hangs is found by keep-alives."""
        self._clock, self._settings = clock, settings
        patience = round(settings.connect_timeout * 1000)
        self._options = [*client_options(UNLIMITED, Keepalive()), ("grpc.min_reconnect_backoff_ms", patience)]
        self._links: dict[tuple[str, int], _Link] = {}
        self._credentials: Credentials | None = None

    async def trust(self, credentials: Credentials) -> None:
        """From now on calls are made with these; connections made with others are closed."""
        self._credentials = credentials
        await self.close()

    async def ping(self, leader: Replica, own: Replica, *, ready: bool) -> bool:
        """Tells the leader that this replica lives; returns whether it is one. Raises Unavailable."""
        request = system_pb2.PingRequest(
            instance_id=own.id, address=own.address, inter_cp_port=own.port, ready=ready
        ).SerializeToString()
        streams = ((STREAMS, str(own.streams)),)
        answer = await self._call(leader, f"/{PING}/Ping", request, self._settings.ping_timeout, metadata=streams)
        return bool(system_pb2.PingResponse.FromString(answer).leader)

    async def ask(self, replica: Replica, query: AdminQuery) -> bytes:
        """What a proxy says through another replica; the query names it as the control plane does.

        Raises:
            Unavailable: the replica or the zone cannot be reached, or the proxy could not be asked.
        """
        method, patience = f"/{FORWARD}/{METHODS[query.call]}", self._settings.answer_timeout
        answer = await self._call(replica, method, encode_query(query, ""), patience)
        _, result, error = decode_answer(query.call, answer)
        if error:
            raise Unavailable(error)
        return result

    async def close(self) -> None:
        """Closes all connections."""
        links, self._links = list(self._links.values()), {}
        for link in links:
            await link.channel.close()

    async def _call(
        self, replica: Replica, method: str, request: bytes, timeout: float, *, metadata: Metadata = ()
    ) -> bytes:
        link = await self._link(replica.address, replica.port)
        try:
            answer: bytes = await link.channel.unary_unary(method)(request, timeout=timeout, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                # gRPC would wait ever longer before it connects again; who restarts at that address is back at once.
                await self._drop(link)
            details = error.details() or error.code().name
            raise Unavailable(f"replica {replica.id} cannot be asked: {details}") from None
        return answer

    async def _link(self, address: str, port: int) -> _Link:
        if self._credentials is None:
            raise Unavailable("this replica has no certificate yet")
        now = self._clock.monotonic()
        for unused in [link for link in self._links.values() if now - link.used_at > self._settings.idle_timeout]:
            await self._drop(unused)
        link = self._links.get((address, port))
        if link is None:
            target = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
            channel = grpc.aio.secure_channel(target, self._credentials.channel(), self._options)
            link = self._links[address, port] = _Link(channel, now)
        link.used_at = now
        return link

    async def _drop(self, link: _Link) -> None:
        self._links = {key: one for key, one in self._links.items() if one is not link}
        await link.channel.close()
