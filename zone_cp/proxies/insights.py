"""What is known about connected proxies, written so that others see it: state changes at once, counters now and then.

Counters of sent and acknowledged responses change with every push to every proxy. They are gathered in memory and
written with the next state change, or when they have waited long enough; an idle mesh writes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ursa.envoy import types
from ursa.errors import AlreadyExists, Conflict, NotFound, Unavailable
from ursa.model.json import JsonObject
from ursa.model.kind import Registry
from ursa.model.resource import Resource, ResourceKey
from ursa.model.timestamps import parse_timestamp, proto_timestamp
from ursa.runtime.clock import Clock
from ursa.store.contract import Store, Write
from ursa.store.portions import portions
from ursa.view.live import LiveView
from zone_cp.dp_server.node import NodeInfo
from zone_cp.proxies.registration import INSIGHTS

log = logging.getLogger(__name__)

GATHER = 0.25
"""Seconds in which urgent changes are gathered, so that what happens to a proxy that connects, and to others at the
same time, becomes one write each in few transactions. No setting: people see it as at once."""

PER_CHANGE = 0.002
"""Seconds for which more is gathered for every proxy that something happened to: when all connections break, most are
back before it was written that they are gone, and one write tells both."""

LONGEST_GATHER = 2.0
"""Seconds after which what is urgent is written in any case."""

COUNTERS_WAIT = 6
"""Counters alone wait that many flush intervals, which are a setting."""

CHUNK = 50
"""Insights written in one transaction. Small, so that whoever else has work gets the event loop in between. No
setting: only fairness within the process."""

STAT_NAMES = {types.CLUSTER: "cds", types.ENDPOINT: "eds", types.LISTENER: "lds", types.ROUTE: "rds"}


@dataclass(slots=True)
class Counters:
    """Responses of one type, or of all."""

    sent: int = 0
    acknowledged: int = 0
    rejected: int = 0

    def to_json(self) -> JsonObject:
        """64-bit numbers are strings in protobuf's JSON; zeros are left out."""
        counted = (
            ("responsesSent", self.sent),
            ("responsesAcknowledged", self.acknowledged),
            ("responsesRejected", self.rejected),
        )
        return {name: str(value) for name, value in counted if value}


@dataclass(slots=True, eq=False)
class Subscription:
    """One stream of one proxy. `version` and `metadata` are the node's, in canonical form."""

    key: ResourceKey
    id: str
    node: NodeInfo
    version: JsonObject
    metadata: JsonObject
    instance_id: str
    connected: int
    disconnected: int = 0
    updated: int = 0
    counters: dict[str, Counters] = field(default_factory=lambda: {name: Counters() for name in STAT_NAMES.values()})
    total: Counters = field(default_factory=Counters)
    mtls: JsonObject | None = None

    def of(self, type_url: str) -> tuple[Counters, ...]:
        """The counters that a response of this type belongs to."""
        name = STAT_NAMES.get(type_url)
        return (self.total,) if name is None else (self.total, self.counters[name])

    def to_json(self) -> JsonObject:
        """The subscription as it stands in the insight, which is written too often to be normalised each time."""
        status: dict[str, Any] = {"total": self.total.to_json()}
        status |= {name: counters.to_json() for name, counters in self.counters.items()}
        if self.updated:
            status["lastUpdateTime"] = proto_timestamp(self.updated)
        document: dict[str, Any] = {
            "id": self.id,
            "controlPlaneInstanceId": self.instance_id,
            "connectTime": proto_timestamp(self.connected),
            "status": status,
            "version": self.version,
        }
        if self.disconnected:
            document["disconnectTime"] = proto_timestamp(self.disconnected)
        return document


class Insights:
    """Writes the insights of this instance's proxies."""

    def __init__(
        self,
        store: Store,
        live: LiveView,
        registry: Registry,
        clock: Clock,
        instance_id: str,
        interval: float,
        *,
        kept: int = 2,
    ) -> None:
        """Args: interval: seconds between two writes of what is not urgent; kept: newest subscriptions of a proxy."""
        self._store, self._live, self._registry, self._clock = store, live, registry, clock
        self._instance_id, self._interval, self._kept = instance_id, interval, kept
        self._current: dict[ResourceKey, Subscription] = {}
        self._urgent: set[ResourceKey] = set()
        self._later: dict[ResourceKey, float] = {}
        self._news = asyncio.Event()

    def connected(self, key: ResourceKey, node: NodeInfo) -> Subscription:
        """A proxy opened a stream."""
        version, metadata = self._canonical(key, node)
        subscription = Subscription(
            key, self._clock.new_id(), node, version, metadata, self._instance_id, self._clock.now_ns()
        )
        self._current[key] = subscription
        self._note(key, urgent=True)
        return subscription

    def disconnected(self, subscription: Subscription) -> None:
        """Its stream ended."""
        subscription.disconnected = self._clock.now_ns()
        if self._current.get(subscription.key) is subscription:
            self._note(subscription.key, urgent=True)

    def online(self, key: ResourceKey) -> bool:
        """Whether the proxy has a stream here."""
        subscription = self._current.get(key)
        return subscription is not None and not subscription.disconnected

    def certificate(self, subscription: Subscription, mtls: JsonObject) -> None:
        """It was given another certificate."""
        if subscription.mtls != mtls:
            subscription.mtls = mtls
            self._note(subscription.key, urgent=True)

    def sent(self, subscription: Subscription, type_url: str) -> None:
        """A response was sent."""
        for counters in subscription.of(type_url):
            counters.sent += 1
        self._count(subscription)

    def acknowledged(self, subscription: Subscription, type_url: str) -> None:
        """A response was acknowledged."""
        for counters in subscription.of(type_url):
            counters.acknowledged += 1
        self._count(subscription)

    def rejected(self, subscription: Subscription, type_url: str) -> None:
        """A response was rejected."""
        for counters in subscription.of(type_url):
            counters.rejected += 1
        self._count(subscription, urgent=True)

    async def run(self) -> None:
        """Writes what has to be written until cancelled."""
        while True:
            await self._wait()
            now = self._clock.monotonic()
            due = self._urgent | {key for key, at in self._later.items() if at <= now}
            await self.flush(due)

    async def flush(self, keys: Iterable[ResourceKey] | None = None) -> None:
        """Writes some insights, or everything that waits."""
        due = list(self._urgent | self._later.keys() if keys is None else keys)
        for start in range(0, len(due), CHUNK):
            await self._write(due[start : start + CHUNK])

    def _count(self, subscription: Subscription, *, urgent: bool = False) -> None:
        subscription.updated = self._clock.now_ns()
        self._note(subscription.key, urgent=urgent)

    def _note(self, key: ResourceKey, *, urgent: bool) -> None:
        if urgent:
            self._urgent.add(key)
            self._news.set()
        elif key not in self._later:
            young = self._clock.now_ns() - self._current[key].connected < 2 * self._interval * 1e9
            wait = self._interval if young else self._interval * COUNTERS_WAIT
            self._later[key] = self._clock.monotonic() + wait
            self._news.set()

    async def _wait(self) -> None:
        """Returns when something is due."""
        while not self._urgent:
            self._news.clear()
            if not self._later:
                await self._news.wait()
                continue
            delay = min(self._later.values()) - self._clock.monotonic()
            if delay <= 0:
                return
            await _wait_at_most(self._news, delay)
        began = self._clock.monotonic()
        while (left := began + self._gathering() - self._clock.monotonic()) > 0:
            await self._clock.sleep(left)

    def _gathering(self) -> float:
        """For how long, altogether, urgent changes are gathered."""
        return min(GATHER + PER_CHANGE * len(self._urgent), LONGEST_GATHER)

    async def _write(self, keys: Iterable[ResourceKey]) -> None:
        writes: list[Write] = []
        taken: list[ResourceKey] = []
        for key in keys:
            self._urgent.discard(key)
            self._later.pop(key, None)
            subscription = self._current.get(key)
            if subscription is None or self._live.current.get(*key) is None:
                self._current.pop(key, None)
                continue
            taken.append(key)
            writes.append(self._write_for(subscription))
        if not writes:
            return
        try:
            for portion in portions(writes):
                revision, _ = await self._store.write(portion)
        except (AlreadyExists, Conflict, NotFound):
            await self._live.wait_for(await self._store.revision())
            self._retry(taken)
        except Unavailable as error:
            log.warning("status of proxies could not be written", extra={"error": str(error)})
            self._retry(taken)
        else:
            await self._live.wait_for(revision)
            for key in taken:
                if not self.online(key):
                    self._current.pop(key, None)

    def _retry(self, keys: Iterable[ResourceKey]) -> None:
        at = self._clock.monotonic() + 1
        for key in keys:
            if key in self._current:
                self._later[key] = at
        self._news.set()

    def _write_for(self, subscription: Subscription) -> Write:
        key = subscription.key
        kind = self._registry[INSIGHTS[key.kind]]
        existing = self._live.current.get(kind.name, key.mesh, key.name)
        spec: dict[str, Any] = {} if existing is None else dict(existing.spec)
        spec["subscriptions"] = self._subscriptions(spec.get("subscriptions", ()), subscription)
        spec["metadata"] = subscription.metadata
        if subscription.mtls is not None:
            spec["mTLS"] = _counted(subscription.mtls, spec.get("mTLS", {}), proto_timestamp(self._clock.now_ns()))
        return self._live.current.replacing(Resource(kind.name, key.mesh, key.name, spec))

    def _canonical(self, key: ResourceKey, node: NodeInfo) -> tuple[JsonObject, JsonObject]:
        """Version and metadata of a node as insights hold them: what their schema does not know is left out."""
        codec = self._registry[INSIGHTS[key.kind]].codec
        normal = codec.normalise({"subscriptions": [{"version": node.version}], "metadata": node.metadata})
        return normal["subscriptions"][0].get("version", {}), normal.get("metadata", {})

    def _subscriptions(self, known: Iterable[JsonObject], current: Subscription) -> list[JsonObject]:
        """The newest subscriptions; earlier ones that were left open are closed, because this one replaced them.

        A later one is that of another instance, at which the proxy is by now.
        """
        now = proto_timestamp(self._clock.now_ns())
        others = [one for one in known if one.get("id") != current.id]
        earlier = [one for one in others if _began(one) <= current.connected]
        later = [one for one in others if _began(one) > current.connected]
        ended = [one if "disconnectTime" in one else {**one, "disconnectTime": now} for one in earlier]
        subscriptions = [*ended, current.to_json(), *later]
        return subscriptions[-self._kept :] if self._kept else []


def _began(subscription: JsonObject) -> int:
    return parse_timestamp(str(subscription.get("connectTime", "")))


def _counted(mtls: JsonObject, before: Mapping[str, Any], now: str) -> JsonObject:
    """The mTLS section with the number of certificates handed out so far, and when the last one was.

    Validity does not tell when: a certificate's begins with its rotation slot, which may be most of a day old when a
    proxy first needs one.
    """
    same = all(before.get(key) == value for key, value in mtls.items())
    return {
        **mtls,
        "lastCertificateRegeneration": before.get("lastCertificateRegeneration", now) if same else now,
        "certificateRegenerations": int(before.get("certificateRegenerations", 0)) + (0 if same else 1),
    }


async def _wait_at_most(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
