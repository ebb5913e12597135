"""Ends what nobody else will end: connections of proxies whose instance died, and resources of proxies long offline.

A proxy that dies together with the instance that served it leaves a connection that looks open for ever. If its
instance is not there any more and it has not come to another one for a while, the connection is closed; a resource
whose proxy has been offline for the cleanup age is deleted, by whichever instance leads, not by the one that saw it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from kds.replicas.catalogue import CONFIG, read_catalogue
from kds.waiting import within
from ursa.errors import Conflict, NotFound
from ursa.model.json import JsonObject
from ursa.model.labels import GLOBAL, ORIGIN
from ursa.model.resource import Resource, ResourceKey
from ursa.model.timestamps import parse_timestamp, proto_timestamp
from ursa.runtime.clock import Clock
from ursa.runtime.config import Settings
from ursa.store.contract import Delete, Store, Update, Write
from ursa.view.live import LiveView, Step
from ursa.view.view import Touched, View
from zone_cp.proxies.registration import INSIGHTS

log = logging.getLogger(__name__)

SECOND = 1_000_000_000
OF_INSIGHTS: Mapping[str, str] = {insight: kind for kind, insight in INSIGHTS.items()}
CATALOGUE = ResourceKey("Config", "", CONFIG)


class GoneProxies:
    """Run by the leader."""

    def __init__(self, settings: Settings, store: Store, live: LiveView, clock: Clock) -> None:
        universal = settings.runtime.universal
        self._store, self._live, self._clock = store, live, clock
        self._patience = round(settings.xds_server.orphaned_after * SECOND)
        zone_proxies = round(universal.zone_resource_cleanup_age * SECOND)
        self._ages = {"ZoneIngress": zone_proxies, "ZoneEgress": zone_proxies}
        self._ages["Dataplane"] = round(universal.dataplane_cleanup_age * SECOND)
        self._due: dict[ResourceKey, int] = {}
        """When something is to be done about an insight, nanoseconds; nothing is about those of connected proxies."""
        self._living: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Follows insights until cancelled."""
        await self._live.ready.wait()
        subscription = self._live.subscribe("gone proxies")
        try:
            self._take(self._live.current, self._live.current.everything())
            while True:
                await self._end(self._live.current)
                due = min(self._due.values(), default=None)
                wait = None if due is None else (due - self._clock.now_ns()) / SECOND
                step = await within(self._relevant(subscription.next), wait, self._clock)
                if step is not None:
                    self._take(step.after, step.touched)
        finally:
            subscription.close()

    async def _relevant(self, following: Callable[[], Awaitable[Step]]) -> Step:
        while True:
            step = await following()
            if CATALOGUE in step.touched.keys or not step.touched.kinds.isdisjoint(OF_INSIGHTS):
                return step

    def _take(self, view: View, touched: Touched) -> None:
        """Looks at what changed; at everything when an instance came or went."""
        living = frozenset(replica.id for replica in read_catalogue(view))
        everything = living != self._living
        self._living = living
        for kind in OF_INSIGHTS:
            if everything:
                changed: Sequence[tuple[ResourceKey, Resource | None]] = [(one.key, one) for one in view.list(kind)]
            else:
                changed = [(change.key, change.after) for change in touched.of(kind)]
            for key, insight in changed:
                self._look(key, insight)

    def _look(self, key: ResourceKey, insight: Resource | None) -> None:
        """Notes when something is to be done about a proxy, if ever."""
        subscriptions = _subscriptions(insight) if insight is not None else ()
        served = any(_is_open(one) and one.get("controlPlaneInstanceId") in self._living for one in subscriptions)
        if not subscriptions or served:
            self._due.pop(key, None)
        elif any(map(_is_open, subscriptions)):
            # Instances tell that they live within seconds of their start, proxies come to another one within some more.
            self._due.setdefault(key, self._clock.now_ns() + self._patience)
        elif ended := max(map(_ended, subscriptions)):
            self._due[key] = ended + self._ages[OF_INSIGHTS[key.kind]]

    async def _end(self, view: View) -> None:
        """Does what is due."""
        now = self._clock.now_ns()
        for key in [key for key, at in self._due.items() if at <= now]:
            del self._due[key]
            insight = view.get(*key)
            if insight is None:
                continue
            orphaned = any(map(_is_open, _subscriptions(insight)))
            writes = [_closed(insight, now)] if orphaned else list(_removal(view, insight))
            # Otherwise somebody changed it meanwhile, and it is looked at again.
            with suppress(Conflict, NotFound):
                revision, _ = await self._store.write(writes)
                log.info(
                    "connection of a gone proxy closed" if orphaned else "proxy was offline for long, it is deleted",
                    extra={"proxy": f"{OF_INSIGHTS[key.kind]} {key.mesh} {key.name}"},
                )
                await self._live.wait_for(revision)
            await asyncio.sleep(0)


def _closed(insight: Resource, now: int) -> Write:
    at = proto_timestamp(now)
    ended = [{**one, "disconnectTime": at} if _is_open(one) else one for one in _subscriptions(insight)]
    return Update(insight.with_spec({**insight.spec, "subscriptions": ended}), insight.version)


def _removal(view: View, insight: Resource) -> Sequence[Write]:
    """The deletion of a proxy's resource and of its insight; what another zone sent is not ours to delete."""
    resource = view.get(OF_INSIGHTS[insight.kind], insight.mesh, insight.name)
    own = [resource] if resource is not None and resource.labels.get(ORIGIN) != GLOBAL else []
    return [Delete(one.key, one.version) for one in (*own, insight)]


def _subscriptions(insight: Resource) -> Sequence[JsonObject]:
    found: Sequence[JsonObject] = insight.spec.get("subscriptions") or ()
    return found


def _is_open(subscription: JsonObject) -> bool:
    return not subscription.get("disconnectTime")


def _ended(subscription: JsonObject) -> int:
    return parse_timestamp(str(subscription.get("disconnectTime", "")))
