"""The aggregated discovery service: accepts streams of proxies and gives each its session.

Handlers work on raw bytes: responses are spliced by the sessions, and only requests are parsed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TypeVar

from kds.replicas.holdings import Crowded, Holdings
from ursa.discovery.delta import DeltaSession
from ursa.discovery.messages import DeltaRequest, SotwRequest
from ursa.discovery.sotw import SotwSession
from ursa.errors import Unavailable, UrsaError
from zone_cp.dp_server.calls import Call, CallEnded, Handler, Status, authorization, first_request
from zone_cp.dp_server.conversation import Conversation, Talker
from zone_cp.dp_server.dialect import ENVOY
from zone_cp.dp_server.node import read_node
from zone_cp.dp_server.proxy_stream import Attach
from zone_cp.dp_server.requests import Received, read_delta, read_sotw

log = logging.getLogger(__name__)

SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"

R = TypeVar("R", SotwRequest, DeltaRequest)


class ShuttingDown(Unavailable):
    """This control plane is about to end; another one may serve the proxy."""


class AdsServer:
    """Serves `StreamAggregatedResources` and `DeltaAggregatedResources`."""

    def __init__(
        self, attach: Attach, instance_id: str, *, holdings: Holdings, nack_backoff: float, patience: float
    ) -> None:
        """Serves streams that `attach` accepts.

        Args:
            attach: authenticates proxies and registers their streams.
            instance_id: names this control plane to proxies.
            holdings: gets all streams, and may let some go.
            nack_backoff: seconds after which a proxy is offered again what it refused; more after every refusal.
            patience: seconds until a stream must have said who it is.
        """
        self._attach, self._instance_id, self._nack_backoff = attach, instance_id, nack_backoff
        self._holdings, self._patience = holdings, patience
        self._conversations: set[Conversation[SotwRequest] | Conversation[DeltaRequest]] = set()

    @property
    def streams(self) -> int:
        """Number of accepted streams."""
        return len(self._conversations)

    def methods(self) -> Mapping[str, Handler]:
        """Both variants of the protocol."""
        return {
            f"/{SERVICE}/StreamAggregatedResources": self._sotw,
            f"/{SERVICE}/DeltaAggregatedResources": self._delta,
        }

    def close(self) -> None:
        """Ends all streams: they never end by themselves, so a server that waits for them waits in vain."""
        for conversation in self._conversations:
            conversation.end(ShuttingDown("the control plane is shutting down"))

    async def _sotw(self, call: Call) -> None:
        await self._answer(call, SotwSession(ENVOY, self._instance_id), read_sotw, delta=False)

    async def _delta(self, call: Call) -> None:
        await self._answer(call, DeltaSession(ENVOY, self._instance_id), read_delta, delta=True)

    async def _answer(
        self, call: Call, session: Talker[R], read: Callable[[bytes], Received[R]], *, delta: bool
    ) -> None:
        """Serves a stream and ends it with the status that fits."""
        claimed = ""
        try:
            data = await first_request(aiter(call), patience=self._patience)
            if data is not None:
                received = read(data)
                claimed = received.node.id
                await self._serve(call, received, session, read, delta=delta)
        except (ShuttingDown, Crowded) as error:
            # On the same connection the proxy would come back to where it was.
            raise CallEnded(Status.UNAVAILABLE, str(error), leave=True) from None
        except UrsaError as error:
            log.warning("discovery stream ended", extra={"proxy": claimed, "peer": call.peer, "error": error})
            raise CallEnded(Status.UNKNOWN, str(error)) from None

    async def _serve(
        self,
        call: Call,
        received: Received[R],
        session: Talker[R],
        read: Callable[[bytes], Received[R]],
        *,
        delta: bool,
    ) -> None:
        node = read_node(received.node)
        proxy = await self._attach(node, authorization(call), delta=delta)
        conversation = Conversation(node.id, proxy, session, read=read, nack_backoff=self._nack_backoff)
        self._conversations.add(conversation)
        held = self._holdings.add(node.id, lambda: conversation.end(Crowded()))
        try:
            await conversation.run(received.request, call)
        finally:
            self._conversations.discard(conversation)
            self._holdings.discard(held)
            await proxy.close()
