"""What happens when a proxy connects, follows its snapshot, and goes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from ursa.discovery.snapshot import Snapshot
from ursa.model.json import JsonObject
from ursa.model.resource import ResourceKey
from ursa.model.timestamps import proto_timestamp
from ursa.runtime.clock import Clock
from zone_cp.dp_server.node import NodeInfo
from zone_cp.facts import facts_of
from zone_cp.proxies.insights import Insights, Subscription
from zone_cp.proxies.registration import Registration
from zone_cp.proxy_metrics import ProxyMetrics
from zone_cp.reconciler.authorities import Identity
from zone_cp.reconciler.proxy import Proxy
from zone_cp.reconciler.reconciler import Reconciler
from zone_cp.rollouts import RolloutLedger

log = logging.getLogger(__name__)


class ProxyLifecycle:
    """Admits proxies; the newest stream of a proxy replaces an older one."""

    def __init__(
        self,
        registration: Registration,
        reconciler: Reconciler,
        insights: Insights,
        rollouts: RolloutLedger,
        *,
        metrics: ProxyMetrics,
        clock: Clock,
    ) -> None:
        self._registration, self._reconciler, self._insights = registration, reconciler, insights
        self.rollouts = rollouts
        self._streams: dict[ResourceKey, ConnectedProxy] = {}
        self._closing = False
        self.metrics, self.clock = metrics, clock
        self.responses = self.acknowledgements = 0
        """Responses sent to proxies so far, and how many of them they applied."""

    @property
    def connected(self) -> int:
        """How many proxies are connected."""
        return len(self._streams)

    def versions(self) -> list[str]:
        """The version of every connected proxy's launcher."""
        nodes = (stream.subscription.node for stream in self._streams.values())
        return [str((node.version.get("kumaDp") or {}).get("version", "")) for node in nodes]

    async def attach(self, node: NodeInfo, authorization: str, *, delta: bool) -> ConnectedProxy:
        """Admits a proxy; raises UrsaError when it may not connect."""
        resource = await self._registration.admit(node, authorization)
        older = self._streams.get(resource.key)
        if older is not None:
            older.superseded.set()
        proxy = self._reconciler.attach(resource.key, facts_of(node))
        subscription = self._insights.connected(resource.key, node)
        stream = ConnectedProxy(self, proxy, subscription, self._insights)
        self._streams[resource.key] = stream
        protocol = "delta" if delta else "state of the world"
        log.info("proxy connected", extra={"proxy": node.id, "protocol": protocol})
        return stream

    def detach(self, stream: ConnectedProxy) -> None:
        """Called when a stream has ended."""
        key = stream.proxy.key
        self._reconciler.detach(stream.proxy)
        self._insights.disconnected(stream.subscription)
        if self._streams.get(key) is not stream:
            return
        del self._streams[key]
        self.rollouts.left(key)
        # At a stop all do, and that was said once.
        level = logging.DEBUG if self._closing else logging.INFO
        log.log(level, "proxy disconnected", extra={"proxy": stream.subscription.node.id})
        if stream.subscription.node.resource_text and not self._closing:
            self._registration.leave(key, lambda: key not in self._streams)

    async def close(self) -> None:
        """Before the process stops: whoever disconnects from now on stays registered."""
        self._closing = True
        await self._registration.close()


class ConnectedProxy:
    """One stream of one proxy, as the transport sees it."""

    def __init__(self, lifecycle: ProxyLifecycle, proxy: Proxy, subscription: Subscription, insights: Insights) -> None:
        self.proxy, self.subscription = proxy, subscription
        self.superseded = asyncio.Event()
        self._lifecycle, self._insights = lifecycle, insights
        self._revision = 0
        self._identity: Identity | None = None
        self._sent: dict[str, float] = {}

    async def next_snapshot(self, seen: Snapshot | None) -> Snapshot:
        """Waits until there is a snapshot other than `seen`."""
        snapshot = await self.proxy.next_snapshot(seen)
        self._revision = self.proxy.revision
        # Nearly every snapshot comes with the certificate that the one before had.
        identity = _identity(self.proxy)
        if identity is not None and identity is not self._identity:
            self._identity = identity
            self._insights.certificate(self.subscription, _mtls(identity))
        return snapshot

    def sent(self, type_url: str, size: int) -> None:
        """A response was sent."""
        self._lifecycle.responses += 1
        self._lifecycle.metrics.sent(type_url)
        self._lifecycle.metrics.size(type_url, size)
        self._sent[type_url] = self._lifecycle.clock.monotonic()
        self._insights.sent(self.subscription, type_url)

    def acknowledged(self, type_url: str, version: str) -> None:
        """The proxy took a response over."""
        self._lifecycle.acknowledgements += 1
        self._answered(type_url, accepted=True)
        self._insights.acknowledged(self.subscription, type_url)

    def rejected(self, type_url: str, version: str, reason: str, names: Sequence[str]) -> None:
        """The proxy refused a response and keeps what it has."""
        log.warning(
            "proxy rejected its configuration",
            extra={"proxy": self.subscription.node.id, "type": type_url, "resources": list(names), "reason": reason},
        )
        self._answered(type_url, accepted=False)
        self._insights.rejected(self.subscription, type_url)
        self._lifecycle.rollouts.rejected(self.proxy.key, reason)

    def _answered(self, type_url: str, *, accepted: bool) -> None:
        self._lifecycle.metrics.answered(type_url, accepted=accepted)
        if (since := self._sent.pop(type_url, None)) is not None:
            self._lifecycle.metrics.delivered(self._lifecycle.clock.monotonic() - since)

    def settled(self) -> None:
        """The proxy has applied everything of the newest snapshot it was given."""
        self._lifecycle.rollouts.settled(self.proxy.key, self._revision)

    async def close(self) -> None:
        """The stream has ended."""
        self._lifecycle.detach(self)


def _identity(proxy: Proxy) -> Identity | None:
    """The certificate of a sidecar, if it has one."""
    return proxy.identities.get(proxy.key.mesh) if proxy.key.kind == "Dataplane" else None


def _mtls(identity: Identity) -> JsonObject:
    """What the insight says about a certificate."""
    return {
        "certificateExpirationTime": proto_timestamp(identity.leaf.not_after),
        "issuedBackend": identity.backend,
        "supportedBackends": [identity.backend],
    }
