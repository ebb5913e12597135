"""Everything one replica needs to work with the others, made in one place."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kds.replicas.balance import Balance, Surroundings
from kds.replicas.catalogue import read_catalogue
from kds.replicas.holdings import Holdings
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


class Replicas(Collector):
    """This replica among the others."""

    def __init__(
        self,
        settings: Settings,
        instance: str,
        store: Store,
        live: LiveView,
        clock: Clock,
        *,
        is_cut_off: Callable[[], bool],
        metrics: CollectorRegistry | None = None,
    ) -> None:
        """Args: `is_cut_off` tells whether the store cannot be reached."""
        self._own, self._live, self._clock = own_replica(settings, instance), live, clock
        self._shared = settings.store.shared
        self._rules = server_rules(settings.inter_cp.server, settings.general, alpn=("h2",))
        self.holdings = Holdings()
        self.peers = Peers(clock, settings.inter_cp.client)
        self._membership = Membership(
            settings, self._own, store, live, self.peers, clock, self.holdings, metrics=metrics
        )
        around = Surroundings(live, self.holdings, is_cut_off)
        self._balance = Balance(settings.inter_cp.balance, self._own, around, clock)

    def components(self, ask: Answer, ready: asyncio.Event) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """What every replica runs.

        Nothing where the store is of this process alone: there cannot be others, and nothing need listen for them.

        Args:
            ask: asks proxies for other replicas.
            ready: set once this replica can serve streams; before, the others do not count on it.
        """
        if not self._shared:
            return {}
        pinged = self._membership.pinged
        port = ReplicaPort(self._own, self._live, self.peers, self._clock, pinged=pinged, answer=ask, rules=self._rules)

        async def follow() -> None:
            await port.listening.wait()
            await ready.wait()
            await self._membership.follow()

        return {"port for replicas": port.run, "replica": follow, "balance of streams": self._balance.run}

    def endpoint(self) -> Endpoint:
        """`GET /replicas`: who is there, and who leads."""
        return Endpoint("GET", "/replicas", self._list, "Could not tell the replicas")

    async def lead(self) -> None:
        """What the leader runs."""
        await self._membership.lead()

    def collect(self) -> Iterator[Metric]:
        """See `prometheus_client`."""
        yield GaugeMetricFamily("ursa_streams_served", "Streams of zones or proxies here", self.holdings.count)
        yield CounterMetricFamily("ursa_streams_moved", "Streams let go for others to serve", self.holdings.moved)

    async def _list(self, _: web.Request) -> web.StreamResponse:
        items = [one.document for one in read_catalogue(self._live.current)]
        return answer({"total": len(items), "answeredBy": self._own.id, "items": items})
