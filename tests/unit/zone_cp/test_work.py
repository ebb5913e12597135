"""How much is done for a change, in counts: what a change touches is made once, whatever the number of proxies."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryResponse

from bench.fake_proxies import dataplane
from tests.unit.kds.test_membership import ManualClock, settle
from ursa.catalog import default_registry
from ursa.discovery.delta import DeltaSession
from ursa.discovery.messages import DeltaRequest, Effect, Send
from ursa.discovery.snapshot import Snapshot
from ursa.envoy import types
from ursa.model.forms import from_rest
from ursa.model.resource import Resource
from ursa.planner.inputs import ProxyFacts, Settings
from ursa.planner.zone import ZonePlanner
from ursa.policies.effects import policy_plugins
from ursa.runtime.clock import Clock, SystemClock
from ursa.runtime.tasks import cancel_and_wait, spawn
from ursa.store.contract import Create, Delete, Update
from ursa.store.memory import MemoryStore
from ursa.view.live import LiveView
from zone_cp.dp_server.dialect import ENVOY
from zone_cp.reconciler.proxy import Proxy
from zone_cp.reconciler.reconciler import Reconciler

PROXIES, SERVICES = 40, 5
REGISTRY = default_registry()


@dataclass
class Envoy:
    """A proxy's stream without a wire: acknowledges everything and asks for the endpoints of its clusters."""

    proxy: Proxy
    held: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    got: list[DeltaDiscoveryResponse] = field(default_factory=list)
    seen: Snapshot | None = None

    def __post_init__(self) -> None:
        self.versions: dict[str, dict[str, str]] = {t: dict(versions) for t, versions in self.held.items()}
        self._session = DeltaSession(ENVOY, "here")
        for type_url in (types.CLUSTER, types.LISTENER):
            self._take(self._session.receive(DeltaRequest(type_url, held=self.held.get(type_url, {}))))
        if kept := self.held.get(types.ENDPOINT):
            self._take(self._session.receive(DeltaRequest(types.ENDPOINT, subscribe=tuple(kept), held=kept)))

    async def follow(self) -> None:
        """Takes the next snapshot."""
        self.seen = await asyncio.wait_for(self.proxy.next_snapshot(self.seen), 10)
        self._take(self._session.publish(self.seen))

    def _take(self, effects: Iterable[Effect]) -> None:
        for send in effects:
            if not isinstance(send, Send):
                continue
            response = DeltaDiscoveryResponse.FromString(send.data)
            self.got.append(response)
            names = {resource.name: resource.version for resource in response.resources}
            self.versions.setdefault(send.type_url, {}).update(names)
            self._take(self._session.receive(DeltaRequest(send.type_url, nonce=send.nonce)))
            if send.type_url == types.CLUSTER and (wanted := tuple(n for n in names if ":" not in n)):
                self._take(self._session.receive(DeltaRequest(types.ENDPOINT, subscribe=wanted)))


@dataclass
class Zone:
    """A store, what follows it, and connected proxies."""

    store: MemoryStore
    live: LiveView
    reconciler: Reconciler
    envoys: list[Envoy] = field(default_factory=list)

    @property
    def work(self) -> Counter[str]:
        """What has been made so far."""
        planning = self.reconciler.planning
        return Counter(
            classes=planning.classes_planned, own=planning.own_planned, assignments=planning.assignments.built
        )

    async def put(self, resource: Resource) -> Resource:
        """Creates or replaces a resource; returns when the view has it."""
        known = self.live.current.get(*resource.key)
        revision, (stored,) = await self.store.write([Create(resource) if known is None else Update(resource)])
        await self.live.wait_for(revision)
        return stored

    async def all_follow(self) -> None:
        """Every proxy takes the next snapshot; what came before is forgotten."""
        for envoy in self.envoys:
            envoy.got.clear()
        for envoy in self.envoys:
            await envoy.follow()

    async def come_back(self, envoy: Envoy, facts: ProxyFacts | None = None) -> Envoy:
        """A proxy connects again with what it has."""
        again = Envoy(self.reconciler.attach(envoy.proxy.key, facts or envoy.proxy.facts), held=envoy.versions)
        await again.follow()
        return again

    async def quiet(self) -> None:
        """Returns when everything that was set off has happened."""
        await self.reconciler.caught_up()
        while self.reconciler.late:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)

    @property
    def responses(self) -> Counter[str]:
        """What the proxies got, by type."""
        return Counter(response.type_url for envoy in self.envoys for response in envoy.got)


@asynccontextmanager
async def running(clock: Clock | None = None) -> AsyncIterator[Zone]:
    clock, store = clock or SystemClock(), MemoryStore(SystemClock())
    live = LiveView(store)
    reconciler = Reconciler(live, ZonePlanner("east", REGISTRY, policy_plugins(), Settings(), check=True), clock)
    zone = Zone(store, live, reconciler)
    tasks = (spawn(live.run(), "view"), spawn(reconciler.run(), "reconciler"))
    try:
        await live.ready.wait()
        yield zone
    finally:
        await cancel_and_wait(*tasks)


@pytest.fixture
async def zone() -> AsyncIterator[Zone]:
    async with running() as zone:
        await zone.put(from_rest({"type": "Mesh", "name": "default"}, REGISTRY))
        for number in range(PROXIES):
            stored = await zone.put(instance(f"dp-{number}", f"10.0.0.{number}", number % SERVICES))
            zone.envoys.append(Envoy(zone.reconciler.attach(stored.key, ProxyFacts(stored.name))))
        await zone.quiet()
        await zone.all_follow()
        assert all(len(envoy.versions[types.ENDPOINT]) == SERVICES for envoy in zone.envoys)
        yield zone


def instance(name: str, address: str, service: int) -> Resource:
    """A Dataplane that reaches all services."""
    return from_rest(dataplane(name, address, service, SERVICES), REGISTRY)


def timeout(seconds: int) -> Resource:
    """A policy about the destinations of everybody."""
    to = [{"targetRef": {"kind": "Mesh"}, "default": {"http": {"requestTimeout": f"{seconds}s"}}}]
    return from_rest({"type": "MeshTimeout", "mesh": "default", "name": "slow", "spec": {"to": to}}, REGISTRY)


async def test_one_endpoint_more_is_one_assignment_and_one_response_each(zone: Zone) -> None:
    before = zone.work
    await zone.put(instance("extra", "10.0.1.0", 0))
    await zone.all_follow()
    assert zone.work - before == Counter(assignments=1)
    assert zone.responses == Counter({types.ENDPOINT: PROXIES})
    assert {resource.name for envoy in zone.envoys for r in envoy.got for resource in r.resources} == {"svc-0"}
    assert len({id(envoy.proxy.served) for envoy in zone.envoys}) == 1, "all proxies share one set of bytes"


async def test_an_endpoint_is_pushed_also_when_something_else_changes_that_concerns_nobody(zone: Zone) -> None:
    elsewhere = from_rest(
        {
            "type": "MeshTimeout",
            "mesh": "default",
            "name": "elsewhere",
            "spec": {
                "targetRef": {"kind": "Dataplane", "labels": {"app": "nobody"}},
                "to": [{"targetRef": {"kind": "Mesh"}, "default": {"http": {"requestTimeout": "9s"}}}],
            },
        },
        REGISTRY,
    )
    before = zone.work
    revision, _ = await zone.store.write([Create(elsewhere), Create(instance("extra", "10.0.1.0", 0))])
    await zone.live.wait_for(revision)
    await zone.all_follow()
    assert zone.work - before == Counter(assignments=1)
    assert zone.responses == Counter({types.ENDPOINT: PROXIES})


async def test_one_endpoint_more_is_pushed_at_once_and_those_that_follow_closely_together() -> None:
    clock = ManualClock()
    async with running(clock) as zone:
        await zone.put(from_rest({"type": "Mesh", "name": "default"}, REGISTRY))
        await connect(zone, clock, range(PROXIES))
        await zone.put(instance("extra", "10.0.2.0", 0))
        for _ in range(2):
            await clock.advance(3.0)
        before = zone.reconciler.pushed
        await zone.put(instance("extra", "10.0.1.0", 0))
        await settle()
        assert zone.reconciler.pushed - before == PROXIES, "nothing delays a change while there are no others"
        for last in range(1, 4):
            await zone.put(instance("extra", f"10.0.1.{last}", 0))
            await clock.advance(0.02)
        assert (zone.reconciler.pushed - before, zone.reconciler.late) == (PROXIES, PROXIES)
        for _ in range(2):
            await clock.advance(0.05)
        assert (zone.reconciler.pushed - before, zone.reconciler.late) == (2 * PROXIES, 0)


async def test_a_policy_plans_each_class_once(zone: Zone) -> None:
    await zone.put(timeout(20))
    await zone.all_follow()
    before = zone.work
    await zone.put(timeout(21))
    await zone.all_follow()
    assert zone.work - before == Counter(classes=1)
    assert zone.responses == Counter({types.LISTENER: PROXIES})


async def test_what_no_plan_depends_on_plans_nothing(zone: Zone) -> None:
    before, snapshots = zone.work, [envoy.proxy.snapshot for envoy in zone.envoys]
    await zone.put(from_rest({"type": "DataplaneInsight", "mesh": "default", "name": "dp-0"}, REGISTRY))
    await zone.quiet()
    assert zone.work == before
    assert [envoy.proxy.snapshot for envoy in zone.envoys] == snapshots


@pytest.mark.parametrize("overlapping", [False, True], ids=["after", "before"])
async def test_proxies_that_come_back_plan_nothing_and_get_nothing(zone: Zone, overlapping: bool) -> None:
    """The new stream may be there before the end of the old one was noticed."""
    before = zone.work
    for envoy in zone.envoys:
        if not overlapping:
            zone.reconciler.detach(envoy.proxy)
        again = await zone.come_back(envoy)
        assert again.got == []
        if overlapping:
            zone.reconciler.detach(envoy.proxy)
    assert zone.work == before


async def test_proxies_that_come_back_get_what_changed_while_they_were_away(zone: Zone) -> None:
    for envoy in zone.envoys:
        zone.reconciler.detach(envoy.proxy)
    await zone.put(instance("extra", "10.0.1.0", 0))
    await zone.put(timeout(20))
    await zone.quiet()
    before = zone.work
    for envoy in zone.envoys:
        again = await zone.come_back(envoy)
        assert Counter(response.type_url for response in again.got) == {types.ENDPOINT: 1, types.LISTENER: 1}
    assert zone.work - before == Counter(classes=1)


async def test_endpoints_that_changed_while_all_were_away_plan_nothing(zone: Zone) -> None:
    for envoy in zone.envoys:
        zone.reconciler.detach(envoy.proxy)
    before = zone.work
    await zone.put(instance("extra", "10.0.1.0", 0))
    await zone.quiet()
    for envoy in zone.envoys:
        again = await zone.come_back(envoy)
        assert [[resource.name for resource in response.resources] for response in again.got] == [["svc-0"]]
        assert again.proxy.revision == zone.live.current.revision
    assert zone.work - before == Counter(assignments=1)


async def test_a_proxy_that_comes_back_as_another_is_planned_anew(zone: Zone) -> None:
    first, second = zone.envoys[:2]
    for envoy in (first, second):
        zone.reconciler.detach(envoy.proxy)
    before = zone.work
    await zone.come_back(first, ProxyFacts(first.proxy.facts.name, workdir="/elsewhere"))
    await zone.put(instance(second.proxy.key.name, "10.0.2.0", 1))
    await zone.quiet()
    again = await zone.come_back(second)
    assert types.LISTENER in {response.type_url for response in again.got}
    assert (zone.work - before)["own"] == 2


async def test_a_proxy_whose_resource_went_is_forgotten(zone: Zone) -> None:
    envoy = zone.envoys[0]
    zone.reconciler.detach(envoy.proxy)
    assert envoy.proxy.assignments is not None
    revision, _ = await zone.store.write([Delete(envoy.proxy.key)])
    await zone.live.wait_for(revision)
    await zone.quiet()
    assert envoy.proxy.assignments is None, "what it held was given back"
    assert zone.reconciler.attach(envoy.proxy.key, envoy.proxy.facts).snapshot is None


async def connect(zone: Zone, clock: ManualClock, numbers: Iterable[int]) -> None:
    """Some proxies connect; each has its plan by the next step, whatever else waits."""
    arrived = []
    for number in numbers:
        stored = await zone.put(instance(f"dp-{number}", f"10.0.0.{number}", number % SERVICES))
        arrived.append(zone.reconciler.attach(stored.key, ProxyFacts(stored.name)))
    await clock.advance(0.12)
    for proxy in arrived:
        envoy = Envoy(proxy)
        await envoy.follow()
        assert len(envoy.versions[types.ENDPOINT]) == SERVICES
        zone.envoys.append(envoy)


async def test_in_a_storm_endpoints_wait_for_others_but_nobody_waits_for_its_first() -> None:
    clock = ManualClock()
    async with running(clock) as zone:
        await zone.put(from_rest({"type": "Mesh", "name": "default"}, REGISTRY))
        await connect(zone, clock, range(100))
        await clock.advance(3.0)
        before = zone.reconciler.pushed
        for start in (100, 125, 150):
            await connect(zone, clock, range(start, start + 25))
        # Each round of arrivals adds endpoints to every service, for each of the 100 to 150 that were there before.
        assert zone.reconciler.pushed - before == 75 + 100
        await clock.advance(4.0)
        await clock.advance(4.0)
        assert not zone.reconciler.late
        assert len({id(proxy.served) for proxy in zone.reconciler.proxies}) == 1
