"""What happens while packets are lost or a process stands still, and afterwards; run by `test_partition.py`."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import groupby
from pathlib import Path

import orjson
import pytest

from tests.failure.namespaces import Network
from tests.failure.replicas import Replica, policy, until
from tests.failure.test_replicas import WRITERS, Ledger, progress, until_mesh, until_same, write_on
from tests.servers.etcd import Etcd
from tests.servers.process import Host
from ursa.model.resource import ResourceKey
from ursa.runtime.clock import SystemClock
from ursa.runtime.config.store import StoreEtcd
from ursa.runtime.tasks import cancel_and_wait, spawn
from ursa.store.etcd import EtcdStore

pytestmark = pytest.mark.timeout(280)

SOON = {
    "KUMA_STORE_ETCD_REQUEST_TIMEOUT": "2s",
    "KUMA_INTER_CP_CATALOG_HEARTBEAT_INTERVAL": "500ms",
    "KUMA_INTER_CP_CATALOG_WRITER_INTERVAL": "2s",
    "KUMA_INTER_CP_CLIENT_PING_TIMEOUT": "1s",
    "KUMA_INTER_CP_CLIENT_PING_MAX_BACKOFF": "2s",
    "KUMA_INTER_CP_LEASE_LEADER": "3s",
    "KUMA_INTER_CP_LEASE_PRESENCE": "3s",
}
LEADS = re.compile(r"this replica leads instance=(\S+) token=(\d+)")
CATALOGUE = ResourceKey("Config", "", "cp-catalog")


@pytest.fixture
async def network() -> AsyncIterator[Network]:
    network = Network()
    network.open()
    yield network
    network.close()


class Cluster:
    """A store and two instances of a global, each at a host of its own, and writers who ask both."""

    def __init__(self, network: Network, store: Host, etcd: Etcd, replicas: Sequence[Replica]) -> None:
        self.network, self.store, self.etcd, self.replicas = network, store, etcd, list(replicas)
        self.ledger, self._stop = Ledger(), asyncio.Event()
        self.leaders: list[str] = []
        """Who is in the catalogue as its leader, write by write."""

    @classmethod
    @asynccontextmanager
    async def started(cls, network: Network, folder: Path) -> AsyncIterator[Cluster]:
        async with AsyncExitStack() as stack:
            store = await network.add_host()
            etcd = Etcd(folder, host=store)
            stack.push_async_callback(etcd.kill)
            await etcd.start()
            shared = {"KUMA_STORE_TYPE": "etcd", "KUMA_STORE_ETCD_ENDPOINTS": ",".join(etcd.endpoints)}
            hosts = [await network.add_host() for _ in range(2)]
            replicas = [Replica(folder / f"cp-{n}", shared, SOON, host=host) for n, host in enumerate(hosts)]
            for replica in replicas:
                stack.push_async_callback(replica.close)
                await replica.start()
            await until_mesh(replicas)
            cluster = cls(network, store, etcd, replicas)
            watching = spawn(cluster._note_leaders(), "catalogue")
            stack.push_async_callback(cancel_and_wait, watching)
            yield cluster

    @asynccontextmanager
    async def written_to(self) -> AsyncIterator[Ledger]:
        """Many write meanwhile; afterwards every acknowledged write is compared with what both have."""
        writers = [spawn(write_on(self.replicas, self.ledger, n, self._stop), f"writer {n}") for n in range(WRITERS)]
        try:
            await progress(self.ledger, 40)
            yield self.ledger
            await progress(self.ledger, 40)
            self._stop.set()
            await asyncio.gather(*writers)
        finally:
            await cancel_and_wait(*writers)
        self.ledger.check(await until_same(self.replicas))

    def terms(self) -> list[tuple[int, str]]:
        """Every term of leadership as the instances saw it: fencing token and instance, in order of tokens."""
        found = [LEADS.findall(replica.log.read_text()) for replica in self.replicas]
        return sorted((int(token), instance) for terms in found for instance, token in terms)

    def check_leaders(self) -> None:
        """No write of a leader was accepted after one of its successor: terms follow each other by their tokens."""
        tokens = [token for token, _ in self.terms()]
        assert len(tokens) == len(set(tokens))
        in_store = [leader for leader, _ in groupby(leader for leader in self.leaders if leader)]
        by_token = iter([instance for _, instance in self.terms()])
        assert all(leader in by_token for leader in in_store), (in_store, self.terms())

    async def leader_and_other(self) -> tuple[Replica, Replica]:
        """Both instances; nobody has led but the first."""
        ((_, leads),) = self.terms()
        one, two = self.replicas
        return (one, two) if await self.id_of(one) == leads else (two, one)

    async def id_of(self, replica: Replica) -> str:
        _, about = await replica.call("GET", "/")
        return str(about["instanceId"])

    async def members(self, asked: Replica) -> set[str]:
        _, found = await asked.call("GET", "/replicas")
        return {one["id"] for one in found["items"]}

    async def _note_leaders(self) -> None:
        store = EtcdStore(StoreEtcd(endpoints=self.etcd.endpoints), SystemClock())
        await store.open()
        try:
            async for batch in store.watch(0):
                for change in batch.changes:
                    if change.key == CATALOGUE and change.after is not None:
                        listed = orjson.loads(str(change.after.spec["config"]))["instances"]
                        self.leaders.append(next((one["id"] for one in listed if one["leader"]), ""))
        finally:
            await store.close()


async def test_store(network: Network, tmp_path: Path) -> None:
    """The leader cannot reach the store: the other one leads, and the two never both."""
    async with Cluster.started(network, tmp_path) as cluster:
        leader, other = await cluster.leader_and_other()
        names = {await cluster.id_of(replica) for replica in cluster.replicas}
        leader_id = await cluster.id_of(leader)
        async with cluster.written_to() as ledger:
            network.cut(cluster.store, leader.host)
            began = time.monotonic()

            async def told() -> bool:
                return (await leader.call("GET", "/store-status"))[1]["available"] is False

            await until(told)
            noticed = time.monotonic() - began
            await until(lambda: leads(other))
            succeeded = time.monotonic() - began
            status, problem = await leader.call("PUT", "/meshes/default/meshtimeouts/x", policy("x"))
            assert status == 503 and "unavailable since" in problem["detail"]
            assert (await leader.call("GET", "/meshes/default"))[0] == 200
            assert await leader.ready(), "it serves what it knows"
            await progress(ledger, 40)
            network.mend(cluster.store, leader.host)
            await until(lambda: stores(leader, "y"))
            back = time.monotonic() - began
        cluster.check_leaders()
        assert [instance for _, instance in cluster.terms()][:2] == [leader_id, await cluster.id_of(other)]
        await until(lambda: are_listed(cluster, other, names))
        report("store", noticed=noticed, succeeded=succeeded, back=back, **ledger.counters)


async def test_pause(network: Network, tmp_path: Path) -> None:
    """The leader stands still for longer than its lease: when it goes on, it writes nothing as one any more."""
    async with Cluster.started(network, tmp_path) as cluster:
        leader, other = await cluster.leader_and_other()
        names = {await cluster.id_of(replica) for replica in cluster.replicas}
        async with cluster.written_to() as ledger:
            for _ in range(2):
                assert leader.process is not None
                terms = len(cluster.terms())
                leader.process.send_signal(signal.SIGSTOP)
                await until(lambda terms=terms: has_terms(cluster, terms + 1))  # type: ignore[misc]
                leader.process.send_signal(signal.SIGCONT)
                await progress(ledger, 40)
                leader, other = other, leader
        cluster.check_leaders()
        await until(lambda: are_listed(cluster, leader, names))
        report("pause", terms=len(cluster.terms()), **ledger.counters)


async def test_instances(network: Network, tmp_path: Path) -> None:
    """Two instances cannot reach each other, but both the store: both take writes, and the leader stays."""
    async with Cluster.started(network, tmp_path) as cluster:
        one, two = cluster.replicas
        everybody = {await cluster.id_of(one), await cluster.id_of(two)}
        await until(lambda: are_listed(cluster, one, everybody))
        terms = cluster.terms()
        leader_id = terms[0][1]
        async with cluster.written_to() as ledger:
            network.cut(one.host, two.host)
            began = time.monotonic()
            await until(lambda: are_listed(cluster, one, {leader_id}))
            noticed = time.monotonic() - began
            await until(lambda: are_listed(cluster, two, {leader_id}))
            await progress(ledger, 40)
            for replica in cluster.replicas:
                assert await stores(replica, "x")
                assert await replica.ready()
            network.mend(one.host, two.host)
            await until(lambda: are_listed(cluster, one, everybody))
        assert cluster.terms() == terms, "nobody else came to lead"
        cluster.check_leaders()
        report("instances", noticed=noticed, **ledger.counters)


async def test_zone(network: Network, tmp_path: Path) -> None:
    """A zone and its global lose each other: both notice by themselves, go on, and agree again afterwards."""
    async with Cluster.started(network, tmp_path) as cluster:
        centre = cluster.replicas[0]
        host = await network.add_host()
        zone = Replica(
            tmp_path / "zone",
            {"KUMA_STORE_TYPE": "sqlite"},
            {
                "KUMA_MODE": "zone",
                "KUMA_MULTIZONE_ZONE_NAME": "east",
                "KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS": f"grpc://{centre.host.address}:{centre.kds}",
                "KUMA_GENERAL_RESILIENT_COMPONENT_MAX_BACKOFF": "2s",
            },
            host=host,
        )
        try:
            await zone.start()
            await until(lambda: is_connected(centre))
            async with cluster.written_to() as ledger:
                network.cut(centre.host, host)
                began = time.monotonic()
                await until(lambda: has_lost(zone))
                by_zone = time.monotonic() - began
                await until(lambda: is_connected(centre, wanted=False))
                by_global = time.monotonic() - began
                # Proofs of life are due every 2 s and missed after 5 s; a connection answers for itself within 8 s.
                assert max(by_zone, by_global) < 10
                assert (await centre.call("GET", "/zones/east/_status"))[1]["status"] == "unknown"
                assert (await zone.call("PUT", "/meshes/default/dataplanes/web", DATAPLANE))[0] == 201
                await progress(ledger, 40)
                network.mend(centre.host, host)
                began = time.monotonic()
                await until(lambda: is_connected(centre))
                back = time.monotonic() - began
            wanted = await until_same(cluster.replicas)
            await until(lambda: zone_has(zone, wanted))
            await until(lambda: has_once(centre, "web"))
            report("zone", by_zone=by_zone, by_global=by_global, back=back, **ledger.counters)
        finally:
            await zone.close()


DATAPLANE = {
    "type": "Dataplane",
    "mesh": "default",
    "name": "web",
    "networking": {"address": "10.0.0.1", "inbound": [{"port": 80, "tags": {"kuma.io/service": "web"}}]},
}


async def leads(replica: Replica) -> bool:
    return LEADS.search(replica.log.read_text()) is not None


async def has_terms(cluster: Cluster, count: int) -> bool:
    return len(cluster.terms()) >= count


async def stores(replica: Replica, name: str) -> bool:
    status, _ = await replica.call("PUT", f"/meshes/default/meshtimeouts/{name}", policy(name))
    return status in (200, 201)


async def are_listed(cluster: Cluster, asked: Replica, wanted: set[str]) -> bool:
    return await cluster.members(asked) == wanted


async def is_connected(centre: Replica, *, wanted: bool = True) -> bool:
    status, overview = await centre.call("GET", "/zones/east/_overview")
    subscriptions = overview.get("zoneInsight", {}).get("subscriptions", ()) if status == 200 else ()
    return bool(subscriptions and not subscriptions[-1].get("disconnectTime")) is wanted


async def has_lost(zone: Replica) -> bool:
    return "connection to the global ended" in zone.log.read_text()


async def zone_has(zone: Replica, wanted: dict[str, str]) -> bool:
    """Whether a zone has exactly the writers' policies, with their values."""
    found: list[tuple[str, str]] = []
    status, page = await zone.call("GET", "/meshes/default/meshtimeouts?size=1000")
    assert status == 200 and not page["next"]
    for item in page["items"]:
        name = item["labels"].get("kuma.io/display-name", item["name"])
        if name.startswith("w"):
            found.append((name, item["spec"]["to"][0]["default"]["connectionTimeout"]))
    assert len(found) == len(dict(found)), "none is there twice"
    return dict(found) == wanted


async def has_once(centre: Replica, name: str) -> bool:
    _, found = await centre.call("GET", "/meshes/default/dataplanes")
    names = [item["labels"]["kuma.io/display-name"] for item in found["items"]]
    assert names.count(name) <= 1
    return name in names


def report(cut: str, **figures: float) -> None:
    """What was measured, for whoever runs this by hand with -s."""
    print(cut, {name: round(value, 1) for name, value in figures.items()})
