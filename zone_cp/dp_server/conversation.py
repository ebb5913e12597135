"""One discovery stream after it is authenticated: moves effects between a session, the wire and the control plane.

One task reads, one writes, one follows the proxy's snapshots; whichever ends first ends the stream. The writer looks at
the newest snapshot only when everything before it is written, so a proxy that does not read costs at most one response
per type, and then gets the newest state.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from ursa.discovery.messages import Acknowledged, DeltaRequest, Effect, Rejected, Send, SotwRequest
from ursa.discovery.snapshot import Snapshot
from ursa.errors import Conflict, ProtocolError, UrsaError
from ursa.runtime.tasks import cancel_and_wait, spawn
from zone_cp.dp_server.calls import Call
from zone_cp.dp_server.proxy_stream import ProxyStream
from zone_cp.dp_server.requests import Received

log = logging.getLogger(__name__)

R = TypeVar("R", SotwRequest, DeltaRequest)
R_contra = TypeVar("R_contra", SotwRequest, DeltaRequest, contravariant=True)


class Talker(Protocol[R_contra]):
    """What both session types have in common."""

    def receive(self, request: R_contra) -> list[Effect]:
        """Takes a request."""

    def publish(self, snapshot: Snapshot) -> list[Effect]:
        """Takes what the proxy should have from now on."""

    def retry(self) -> list[Effect]:
        """Offers what was refused once more."""

    @property
    def settled(self) -> bool:
        """Whether the proxy has applied everything that was published."""

    @property
    def has_refused(self) -> bool:
        """Whether the proxy does without something that it refused."""


class Conversation(Generic[R]):
    """A stream of an accepted proxy."""

    def __init__(
        self,
        node_id: str,
        proxy: ProxyStream,
        session: Talker[R],
        *,
        read: Callable[[bytes], Received[R]],
        nack_backoff: float,
    ) -> None:
        """Nothing moves before `run`; `nack_backoff` are the seconds after which a refused resource is offered again.

        The pause doubles with every refusal that follows, so what stays refused is not sent in a loop, and yet a proxy
        recovers by itself when what stood in the way is gone.
        """
        self._node_id, self._proxy = node_id, proxy
        self._session: Talker[R] = session
        self._read: Callable[[bytes], Received[R]] = read
        self._outbox: deque[Send] = deque()
        self._newest: Snapshot | None = None
        self._published: Snapshot | None = None
        self._wake = asyncio.Event()
        self._nack_backoff = self._pause = nack_backoff
        self._retrial: asyncio.TimerHandle | None = None
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(self, error: UrsaError) -> None:
        """Makes `run` raise this."""
        if not self._ended.done():
            self._ended.set_exception(error)

    async def run(self, first: R, call: Call) -> None:
        """Serves the stream until the proxy closes it.

        Raises:
            UrsaError: why the stream has to end otherwise.
        """
        self._apply(self._session.receive(first))
        tasks: tuple[asyncio.Task[None], ...] = (
            spawn(self._receive(call), f"requests of {self._node_id}"),
            spawn(self._respond(call), f"responses to {self._node_id}"),
            spawn(self._follow(), f"snapshots for {self._node_id}"),
            spawn(self._give_way(), f"successor of {self._node_id}"),
        )
        try:
            done, _ = await asyncio.wait((*tasks, self._ended), return_when=asyncio.FIRST_COMPLETED)
            for finished in done:
                finished.result()
        finally:
            self._ended.cancel()
            if self._retrial is not None:
                self._retrial.cancel()
            await cancel_and_wait(*tasks)

    async def _receive(self, call: Call) -> None:
        async for data in call:
            received = self._read(data)
            claimed = received.node.id
            if claimed and claimed != self._node_id:
                raise ProtocolError(
                    f"stream was authenticated for ID {self._node_id}. Received request is for node with ID {claimed}."
                    " Node ID cannot be changed after stream is initialized"
                )
            self._apply(self._session.receive(received.request))

    async def _respond(self, call: Call) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._outbox:
                send = self._outbox.popleft()
                await call.write(send.data)
                self._proxy.sent(send.type_url, len(send.data))
            if self._newest is not None and self._newest is not self._published:
                self._published = self._newest
                self._apply(self._session.publish(self._published))

    async def _follow(self) -> None:
        while True:
            self._newest = await self._proxy.next_snapshot(self._newest)
            self._wake.set()

    async def _give_way(self) -> None:
        await self._proxy.superseded.wait()
        raise Conflict("this stream was replaced by a newer connection of the same proxy")

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self._outbox.append(effect)
                self._wake.set()
            elif isinstance(effect, Acknowledged):
                self._proxy.acknowledged(effect.type_url, effect.version)
                if self._pause != self._nack_backoff and not self._session.has_refused:
                    self._pause = self._nack_backoff
            elif isinstance(effect, Rejected):
                self._proxy.rejected(effect.type_url, effect.version, effect.reason, effect.names)
                if self._retrial is None:
                    self._retrial = asyncio.get_running_loop().call_later(self._pause, self._retry)
        if self._published is not None and self._published is self._newest and self._session.settled:
            self._proxy.settled()

    def _retry(self) -> None:
        self._retrial, self._pause = None, self._pause * 2
        self._apply(self._session.retry())
