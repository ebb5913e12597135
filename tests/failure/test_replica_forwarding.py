"""Two globals on one store: each knows the other, and answers for zones that are connected to the other one."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from kds.admin_calls import AdminQuery
from kds.replicas.catalogue import Replica, read_catalogue
from tests.failure.test_global_kill import POLICY, GlobalProcess
from tests.servers.etcd import Etcd
from tests.servers.ports import free_port
from tests.unit.kds.lab import Zone
from ursa.model.resource import Resource
from ursa.runtime.clock import SystemClock
from ursa.runtime.config.store import StoreEtcd
from ursa.store.etcd import EtcdStore
from ursa.view.live import LiveView

DATAPLANE = {"networking": {"address": "10.0.0.1", "inbound": [{"port": 80, "tags": {"kuma.io/service": "web"}}]}}
DUMP = b'{"configs": []}' + b" " * (6 << 20)
"""More than gRPC takes by default."""


async def answers(query: AdminQuery) -> bytes:
    return DUMP if query.include_eds else f"{query.call} {query.name} {query.as_json}".encode()


@asynccontextmanager
async def two_globals(folder: Path) -> AsyncIterator[tuple[GlobalProcess, GlobalProcess, EtcdStore]]:
    (folder / "etcd").mkdir()
    server = Etcd(folder / "etcd")
    shared = {
        "KUMA_STORE_TYPE": "etcd",
        "KUMA_STORE_ETCD_ENDPOINTS": ",".join(server.endpoints),
        "KUMA_INTER_CP_CATALOG_INSTANCE_ADDRESS": "127.0.0.1",
        "KUMA_INTER_CP_CATALOG_HEARTBEAT_INTERVAL": "200ms",
        "KUMA_INTER_CP_CATALOG_WRITER_INTERVAL": "1s",
    }
    first, second = (
        GlobalProcess(folder / f"g{n}", **shared, KUMA_INTER_CP_SERVER_PORT=str(free_port())) for n in range(2)
    )
    store = EtcdStore(StoreEtcd(endpoints=server.endpoints), SystemClock())
    started: list[GlobalProcess] = []
    try:
        await server.start()
        for one in (first, second):
            await one.start()
            started.append(one)
        await store.open()
        yield first, second, store
    finally:
        for one in started:
            if one.process.returncode is None:
                await one.stop(signal.SIGTERM)
        await store.close()
        await server.stop()


async def catalogue(store: EtcdStore) -> tuple[Replica, ...]:
    live = LiveView(store)
    await live.load()
    return read_catalogue(live.current)


async def until_catalogue(store: EtcdStore, leaders: list[bool]) -> tuple[Replica, ...]:
    async with asyncio.timeout(60):
        while True:
            found = await catalogue(store)
            if sorted(one.leader for one in found) == leaders:
                return found
            await asyncio.sleep(0.1)


async def fetch(port: int, path: str) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as response:
        return response.status, await response.read()


async def test_any_replica_answers_for_any_zone(tmp_path: Path) -> None:
    async with two_globals(tmp_path) as (first, second, store):
        await until_catalogue(store, [False, True])
        zone = Zone("east", second.kds, admin=answers)
        await zone.open()
        try:
            await zone.put(Resource("Dataplane", "default", "web", DATAPLANE))
            async with asyncio.timeout(60):
                while True:
                    listed: dict = await first.call("GET", "/meshes/default/dataplanes")
                    if listed["items"]:
                        break
                    await asyncio.sleep(0.1)
            path = f"/meshes/default/dataplanes/{listed['items'][0]['name']}"
            async with asyncio.timeout(60):
                # The record of who holds which stream is written with the insight.
                while True:
                    status, _ = await fetch(first.api, f"{path}/stats")
                    if status == 200:
                        break
                    await asyncio.sleep(0.2)
            assert await fetch(first.api, f"{path}/stats") == (200, b"stats web False")
            assert await fetch(first.api, f"{path}/clusters?format=json") == (200, b"clusters web True")
            assert await fetch(first.api, f"{path}/xds?include_eds=true") == (200, DUMP)
            assert await fetch(second.api, f"{path}/stats") == (200, b"stats web False")
            # A rollout is proven at any replica, too.
            for number, one in enumerate((first, second)):
                await one.call("PUT", f"/meshes/default/meshtimeouts/t{number}", {**POLICY, "name": f"t{number}"})
                stored = await zone.until(lambda number=number: zone.named("MeshTimeout", f"t{number}"))
                assert stored is not None
                newest = max(item["revision"] for item in (await one.call("GET", "/rollouts"))["items"])
                for asked in (first, second):
                    proof: dict = await asked.call("GET", f"/rollouts/{newest}?wait=stored&timeout=60s")
                    assert [z["state"] for z in proof["zones"]] == ["stored"], proof
            await same_on_both(first, second, "/zones/east/_status", status="online", lagRevisions=0)
            await same_on_both(first, second, "/zones/east/_sync", connected=True, instance="east-1")
            # What other zones make of a drain is known where they are connected.
            await first.call("PUT", "/zones/west", {"type": "Zone", "name": "west"})
            await first.call("POST", "/zones/west/_drain", {"over": "0s", "force": True})
            told = {"name": "east", "weights": "exact", "stored": True, "note": ""}
            await same_on_both(first, second, "/zones/west/_drain", state="drained", zones=[told])
        finally:
            await zone.close()


async def same_on_both(first: GlobalProcess, second: GlobalProcess, path: str, **members: object) -> None:
    """Both say so, and nothing else than the other one."""
    async with asyncio.timeout(10):
        while True:
            # Each view follows the store by itself.
            (one, other), _ = await asyncio.gather(
                asyncio.gather(*(g.call("GET", path) for g in (first, second))), asyncio.sleep(0.1)
            )
            if one == other and members.items() <= one.items():
                return


async def test_the_catalogue_follows_who_lives_and_who_leads(tmp_path: Path) -> None:
    async with two_globals(tmp_path) as (first, second, store):
        before = await until_catalogue(store, [False, True])
        # The first one to start leads.
        await first.stop(signal.SIGTERM)
        (left,) = await until_catalogue(store, [True])
        assert left.id in {one.id for one in before if not one.leader}
        await first.start()
        await until_catalogue(store, [False, True])
        await second.stop(signal.SIGKILL)
        await until_catalogue(store, [True])


async def test_a_leader_that_wakes_up_too_late_is_one_of_many_again(tmp_path: Path) -> None:
    async with two_globals(tmp_path) as (first, _, store):
        (sleeper,) = (one.id for one in await until_catalogue(store, [False, True]) if one.leader)
        first.process.send_signal(signal.SIGSTOP)
        (leader,) = await until_catalogue(store, [True])
        assert leader.id != sleeper
        first.process.send_signal(signal.SIGCONT)
        found = await until_catalogue(store, [False, True])
        assert {one.id: one.leader for one in found} == {leader.id: True, sleeper: False}
