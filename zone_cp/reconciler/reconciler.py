"""The loop between view and sessions: a step of the view comes in, new snapshots of the proxies it concerns go out.

A change of endpoints replaces shared load assignments and nothing else. A change of policies plans the proxies of
their meshes again, where classes are planned once and inputs that did not change give the bytes there were.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType

from kds.waiting import within
from ursa.discovery.snapshot import Snapshot
from ursa.errors import UrsaError
from ursa.model.resource import Resource, ResourceKey
from ursa.planner.inputs import ProxyFacts
from ursa.planner.zone import ZonePlanner
from ursa.runtime.clock import Clock
from ursa.view.live import MovingView, Step
from ursa.view.view import Touched, View
from zone_cp.proxy_metrics import ProxyMetrics
from zone_cp.reconciler.away import Away
from zone_cp.reconciler.planning import Planning
from zone_cp.reconciler.proxy import Proxy

log = logging.getLogger(__name__)

PACE = 0.02
"""Seconds between two steps at least, so that a storm of changes becomes few pushes. An idle mesh never waits here."""

PER_PUSH = 0.002
"""Seconds of that pause for every proxy that got a new plan: some five times what one push costs. Endpoints that change
again have to wait as long for the proxies that had the last change, while plans go on."""

STORM_PACE = 3.0
"""By how much endpoints wait longer while many proxies arrive: every one of them is an endpoint of the others, and they
themselves get the newest ones at once."""

STORM = 8
"""Many is more than one in so many of those that are connected."""

LONGEST_PACE = 1.0
"""Seconds between two steps at most. After a step that took long, with what it set off, the next one waits as long
again: changes take half of the time at most, and a storm costs the fewer steps and pushes the larger it is."""

PASSES = 4
"""Rounds of the event loop in which sessions take a new snapshot over and hand their responses to the transport."""

SLICE = 64
"""Proxies planned before others get the event loop."""

OnStep = Callable[[int, int, Collection[ResourceKey], Mapping[ResourceKey, str]], None]

PROXY_TYPES = MappingProxyType({"Dataplane": "dataplane", "ZoneIngress": "ingress", "ZoneEgress": "egress"})
PROXY_KINDS = frozenset(PROXY_TYPES)


class Reconciler:
    """Holds all connected proxies and their snapshots."""

    def __init__(
        self,
        live: MovingView,
        planner: ZonePlanner,
        clock: Clock,
        *,
        on_step: OnStep = lambda _before, _after, _changed, _failed: None,
        metrics: ProxyMetrics | None = None,
    ) -> None:
        """Args: `on_step` is told from which revision to which a step led, which proxies it changed, and which it
        should have changed but could not, with the reasons; `metrics` counts what is done for proxies."""
        self._metrics = metrics or ProxyMetrics.unseen(clock)
        self._live, self.planner, self._clock, self._on_step = live, planner, clock, on_step
        self._changed: set[ResourceKey] = set()
        self._failed: dict[ResourceKey, str] = {}
        self._view = View()
        self._proxies: dict[ResourceKey, set[Proxy]] = {}
        self.planning = Planning(planner, clock, self._metrics)
        self._away = Away(self.planning.release)
        self._renewals = asyncio.Event()
        self._due: int | None = None
        """When the first certificate has to be renewed, as far as `run_renewals` has looked."""
        self._taken = asyncio.Event()
        self.pushed = 0
        """How often a proxy got another snapshot."""
        self._planned = self._arrived = 0
        """How often because of its plan, and since the last push of endpoints because it is new."""
        self._late: set[Proxy] = set()
        """Those who have yet to get the newest endpoints."""
        self._push_at = 0.0

    @property
    def proxies(self) -> Iterable[Proxy]:
        """All connected proxies."""
        return (proxy for group in self._proxies.values() for proxy in group)

    @property
    def late(self) -> int:
        """How many proxies have yet to get the newest endpoints."""
        return len(self._late)

    def attach(self, key: ResourceKey, facts: ProxyFacts) -> Proxy:
        """Takes a proxy on; its snapshot is there at once when its resource is."""
        group = self._proxies.setdefault(key, set())
        proxy = self._away.take(key, facts)
        if proxy is None:
            proxy = Proxy(key, facts)
            if (other := next((one for one in group if one.facts == facts), None)) is not None:
                proxy.own_inputs, proxy.own = other.own_inputs, other.own
        group.add(proxy)
        self._bring_up_to_date(proxy)
        return proxy

    def detach(self, proxy: Proxy) -> None:
        """Lets a proxy go, and remembers it while its resource is there."""
        group = self._proxies.get(proxy.key, set())
        group.discard(proxy)
        if group:
            self.planning.release(proxy)
            return
        self._proxies.pop(proxy.key, None)
        if self._view.get(*proxy.key) is not None:
            self._away.keep(proxy)
        else:
            self.planning.release(proxy)

    async def preview(self, resource: Resource, facts: ProxyFacts, *, shadow: bool) -> Snapshot:
        """The snapshot that a proxy would have if it connected now.

        Args:
            resource: its Dataplane.
            facts: what its Envoy would say.
            shadow: whether policies with the shadow effect count.

        Raises:
            UrsaError: it cannot be planned.
        """
        await self.caught_up()
        proxy = Proxy(resource.key, facts)
        try:
            self.planning.plan(proxy, resource, self._view, shadow=shadow)
            proxy.publish()
        finally:
            self.planning.release(proxy)
        return proxy.snapshot or Snapshot.EMPTY

    async def caught_up(self) -> None:
        """Returns when everything that is in the newest view by now has been taken over."""
        revision = self._live.current.revision
        while self._view.revision < revision:
            await self._taken.wait()

    async def run(self) -> None:
        """Follows the view until cancelled."""
        await self._live.ready.wait()
        subscription = self._live.subscribe("reconciler")
        try:
            view = self._live.current
            await self._take(Step(View(), view, view.everything()))
            while True:
                wait = self._push_at - self._clock.monotonic() if self._late else None
                step = await within(subscription.next(), wait, self._clock)
                started, planned = self._clock.monotonic(), self._planned
                if step is not None:
                    await self._take(step)
                if self._late and self._push_at <= self._clock.monotonic():
                    await self._push_endpoints()
                for _ in range(PASSES):
                    await asyncio.sleep(0)
                took = self._clock.monotonic() - started
                pause = max(PACE, took, (self._planned - planned) * PER_PUSH)
                await self._clock.sleep(min(pause, LONGEST_PACE))
        finally:
            subscription.close()

    async def run_renewals(self) -> None:
        """Renews certificates when their slot ends; sleeps until the first one is due."""
        while True:
            due = min((at for proxy in self.proxies if (at := proxy.renew_at) is not None), default=None)
            self._due = due
            self._renewals.clear()
            now = self._clock.now_ns()
            if due is None:
                await self._renewals.wait()
            elif due > now:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._renewals.wait(), (due - now) / 1e9)
            else:
                for proxy in [p for p in self.proxies if p.renew_at is not None and p.renew_at <= now]:
                    self._plan(proxy)

    async def _take(self, step: Step) -> None:
        self._view = step.after
        concerned = self.planner.observe(step.after, step.touched)
        secrets = {key.mesh for key in step.touched.keys if key.kind == "Secret"}
        self.planning.authorities.observe(step.after, secrets | concerned.meshes)
        self.planning.assignments.refresh(concerned.endpoints)
        self._taken.set()
        self._taken = asyncio.Event()
        self._changed.clear()
        self._failed.clear()
        # An egress proves who it is with certificates of several meshes.
        zone_proxies = concerned.zone_proxies or bool(secrets)
        dirty = self._dirty(step.touched, concerned.meshes | secrets, zone_proxies=zone_proxies)
        dirty |= self._reaching({mesh for mesh, _ in concerned.endpoints})
        self._away.forget(key for key in step.touched.keys if step.after.get(*key) is None)
        for proxy in self._everybody():
            proxy.is_current = proxy.is_current and proxy.key not in dirty
        for index, proxy in enumerate(list(self.proxies)):
            if index % SLICE == SLICE - 1:
                await asyncio.sleep(0)
            if not self._is_connected(proxy):
                continue  # it left meanwhile
            if proxy.key in dirty:
                self._plan(proxy)
            elif not proxy.serves_newest:
                self._late.add(proxy)
                self._changed.add(proxy.key)
        self._on_step(step.before.revision, step.after.revision, self._changed, self._failed)

    async def _push_endpoints(self) -> None:
        """Gives the newest endpoints to those who wait for them."""
        late, self._late = self._late, set()
        for index, proxy in enumerate(late):
            if index % SLICE == SLICE - 1:
                await asyncio.sleep(0)
            if not proxy.serves_newest and self._is_connected(proxy):
                self._publish(proxy)
        pause = min(len(late) * PER_PUSH, LONGEST_PACE)
        is_storm = self._arrived * STORM > len(self._proxies)
        self._push_at = self._clock.monotonic() + pause * (STORM_PACE if is_storm else 1.0)
        self._arrived = 0

    def _is_connected(self, proxy: Proxy) -> bool:
        return proxy in self._proxies.get(proxy.key, ())

    def _everybody(self) -> Iterator[Proxy]:
        """Who is connected, and who may come back."""
        yield from self.proxies
        yield from self._away

    def _dirty(self, touched: Touched, meshes: set[str], *, zone_proxies: bool) -> set[ResourceKey]:
        admin = any(key.kind == "GlobalSecret" for key in touched.keys)
        dirty = {key for key in touched.keys if key.kind in PROXY_KINDS}
        for proxy in self._everybody():
            key = proxy.key
            # A gateway, or who calls one, may believe the CA of another mesh than its own.
            concerned = key.mesh in meshes or proxy.believes(meshes) if key.mesh else zone_proxies
            if admin or concerned:
                dirty.add(key)
        return dirty

    def _reaching(self, meshes: set[str]) -> set[ResourceKey]:
        """The proxies in these meshes for whose plans endpoints matter."""
        concerned = self._everybody() if meshes else ()
        return {proxy.key for proxy in concerned if proxy.key.mesh in meshes and proxy.reaches_instances}

    def _bring_up_to_date(self, proxy: Proxy) -> None:
        """Of a proxy that comes back, whatever did not change meanwhile is taken as it was."""
        at = proxy.renew_at
        if not proxy.is_current or (at is not None and at <= self._clock.now_ns()):
            self._plan(proxy)
            return
        if proxy.serves_newest:
            proxy.revision = self._view.revision
        else:
            self._publish(proxy)
        self._expect_renewal(proxy)

    def _publish(self, proxy: Proxy) -> None:
        if not proxy.error:
            proxy.revision = self._view.revision
        proxy.publish()
        self.pushed += 1
        self._changed.add(proxy.key)

    def _plan(self, proxy: Proxy) -> None:
        """Plans one proxy; a failure leaves it with the configuration it has."""
        resource = self._view.get(*proxy.key)
        if resource is None:
            return
        started = self._clock.monotonic()
        try:
            changed = self.planning.plan(proxy, resource, self._view)
        except UrsaError as error:
            self._metrics.failed()
            if proxy.error != str(error):
                log.warning("proxy cannot be configured", extra={"proxy": str(proxy.key), "error": str(error)})
            proxy.error = self._failed[proxy.key] = str(error)
            proxy.is_current = False
            return
        proxy.error, proxy.is_current = "", True
        self._metrics.generated(PROXY_TYPES[proxy.key.kind], self._clock.monotonic() - started, changed=changed)
        if changed and proxy.key.mesh:
            self._metrics.regenerated(proxy.key.mesh)
        if changed or proxy.snapshot is None or not proxy.serves_newest:
            self._planned += 1
            self._arrived += proxy.snapshot is None
            self._publish(proxy)
            self._expect_renewal(proxy)

    def _expect_renewal(self, proxy: Proxy) -> None:
        """Sees to it that the certificates of a proxy are renewed in time."""
        at = proxy.renew_at
        if at is not None and (self._due is None or at < self._due):
            self._renewals.set()
