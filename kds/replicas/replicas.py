"""Everything one replica needs to work with the others, made in one place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from kds.replicas.membership import Membership, own_replica
from kds.replicas.peers import Peers
from kds.replicas.port import Answer, ReplicaPort
from ursa.runtime.clock import Clock
from ursa.runtime.config import Settings
from ursa.store.contract import Store
from ursa.view.live import LiveView


class Replicas:
    """This replica among the others."""

    def __init__(self, settings: Settings, instance: str, store: Store, live: LiveView, clock: Clock) -> None:
        self._own, self._live, self._clock = own_replica(settings, instance), live, clock
        self.peers = Peers(clock)
        self._membership = Membership(settings, self._own, store, live, self.peers, clock)

    def components(self, answer: Answer) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """What every replica runs; `answer` asks proxies for other replicas."""
        pinged = self._membership.pinged
        port = ReplicaPort(self._own, self._live, self.peers, self._clock, pinged=pinged, answer=answer)

        async def follow() -> None:
            await port.listening.wait()
            await self._membership.follow()

        return {"port for replicas": port.run, "replica": follow}

    async def lead(self) -> None:
        """What the leader runs."""
        await self._membership.lead()
