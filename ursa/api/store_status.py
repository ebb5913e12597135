"""Says how the store is: in a call for people, in metrics for alerts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from aiohttp import web
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ursa.api.answers import answer
from ursa.api.context import Endpoint
from ursa.model.timestamps import rfc3339
from ursa.store.guard import GuardedStore
from ursa.view.live import LiveView

NANOSECONDS = 1e9


class StoreStatus(Collector):
    """`GET /store-status` and `ursa_store_*`."""

    def __init__(self, engine: str, store: GuardedStore, live: LiveView) -> None:
        self._engine, self._store, self._live = engine, store, live

    def endpoint(self) -> Endpoint:
        """The call."""
        return Endpoint("GET", "/store-status", self._show, "Could not tell how the store is")

    def collect(self) -> Iterator[Metric]:
        """See `prometheus_client`."""
        outage = self._store.outage
        up = GaugeMetricFamily("ursa_store_up", "whether the store can be reached", labels=["engine"])
        up.add_metric([self._engine], 0 if outage else 1)
        yield up
        yield GaugeMetricFamily(
            "ursa_store_unavailable_since_seconds",
            "when the present outage of the store began, seconds since the epoch; 0 = there is none",
            outage.since / NANOSECONDS if outage else 0,
        )
        full = self._store.full
        yield GaugeMetricFamily(
            "ursa_store_full_since_seconds",
            "since when the store has had no room for writes, seconds since the epoch; 0 = it has room",
            full.since / NANOSECONDS if full else 0,
        )
        yield GaugeMetricFamily("ursa_store_waiting_calls", "calls that wait for the store", self._store.waiting)
        unreadable = GaugeMetricFamily(
            "ursa_store_unreadable_resources", "what the store holds and cannot be read", labels=["resource_type"]
        )
        for kind, count in Counter(key.kind for key in self._live.current.damaged).items():
            unreadable.add_metric([kind], count)
        yield unreadable
        yield CounterMetricFamily("ursa_store_outages", "outages of the store so far", self._store.outages)

    async def _show(self, _: web.Request) -> web.Response:
        outage, full, waiting = self._store.outage, self._store.full, self._store.waiting_since
        damaged = sorted(self._live.current.damaged.values(), key=lambda one: one.key)
        return answer(
            {
                "engine": self._engine,
                "available": outage is None,
                "servedRevision": self._live.current.revision,
                "outages": self._store.outages,
                "waitingCalls": self._store.waiting,
                "unreadable": [
                    {
                        "type": one.key.kind,
                        **({"mesh": one.key.mesh} if one.key.mesh else {}),
                        "name": one.key.name,
                        "reason": one.reason,
                    }
                    for one in damaged
                ],
                **({"waitingSince": rfc3339(waiting)} if waiting else {}),
                **({"fullSince": rfc3339(full.since), "reason": full.reason} if full else {}),
                **({"unavailableSince": rfc3339(outage.since), "reason": outage.reason} if outage else {}),
            }
        )
