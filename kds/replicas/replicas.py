"""Everything one replica needs to work with the others, made in one place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from kds.replicas.catalogue import read_catalogue
from kds.replicas.membership import Membership, own_replica
from kds.replicas.peers import Peers
from kds.replicas.port import Answer, ReplicaPort
from ursa.api.answers import answer
from ursa.api.context import Endpoint
from ursa.runtime.clock import Clock
from ursa.runtime.config import Settings
from ursa.runtime.tls_rules import server_rules
from ursa.store.contract import Store
from ursa.view.live import LiveView


class Replicas:
    """This replica among the others."""

    def __init__(self, settings: Settings, instance: str, store: Store, live: LiveView, clock: Clock) -> None:
        self._own, self._live, self._clock = own_replica(settings, instance), live, clock
        self._shared = settings.store.shared
        self._rules = server_rules(settings.inter_cp.server, settings.general, alpn=("h2",))
        self.peers = Peers(clock, settings.inter_cp.client)
        self._membership = Membership(settings, self._own, store, live, self.peers, clock)

    def components(self, ask: Answer) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """What every replica runs; `ask` asks proxies for other replicas.

        Nothing where the store is of this process alone: there cannot be others, and nothing need listen for them.
        """
        if not self._shared:
            return {}
        pinged = self._membership.pinged
        port = ReplicaPort(self._own, self._live, self.peers, self._clock, pinged=pinged, answer=ask, rules=self._rules)

        async def follow() -> None:
            await port.listening.wait()
            await self._membership.follow()

        return {"port for replicas": port.run, "replica": follow}

    def endpoint(self) -> Endpoint:
        """`GET /replicas`: who is there, and who leads."""
        return Endpoint("GET", "/replicas", self._list, "Could not tell the replicas")

    async def lead(self) -> None:
        """What the leader runs."""
        await self._membership.lead()

    async def _list(self, _: web.Request) -> web.StreamResponse:
        items = [one.document for one in read_catalogue(self._live.current)]
        return answer({"total": len(items), "answeredBy": self._own.id, "items": items})
