"""Replicas that share a store: killed under load, none loses or doubles a write that it acknowledged."""

from __future__ import annotations

import asyncio
import itertools
import random
import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.failure.conftest import Backend
from tests.failure.replicas import Replica, policy, until
from tests.servers.etcd import Etcd

WRITERS = 6
KILLS = 2


@dataclass
class Ledger:
    """Every attempted write, and what became of it as far as the writer knows."""

    created: dict[str, str] = field(default_factory=dict)
    """Name → newest acknowledged value."""
    doubtful: dict[str, set[str]] = field(default_factory=dict)
    """Name → values whose fate is unknown, because the answer never came."""
    deleted: set[str] = field(default_factory=set)
    counters: Counter[str] = field(default_factory=Counter)

    def check(self, found: dict[str, str]) -> None:
        """Compares everything with what is stored."""
        for name, value in self.created.items():
            if name in self.deleted:
                continue
            assert name in found or self.doubtful.get(name), f"{name} was acknowledged and is gone"
            assert found.get(name, value) in {value, *self.doubtful.get(name, ())}, f"{name} has an older value"
        for name in self.deleted - self.doubtful.keys():
            assert name not in found, f"{name} was deleted and is back"
        unknown = found.keys() - self.created.keys() - self.doubtful.keys()
        assert not unknown, f"nobody wrote {unknown}"


async def write_on(replicas: list[Replica], ledger: Ledger, worker: int, stop: asyncio.Event) -> None:
    """Creates, changes and deletes objects of its own through whichever replica answers."""
    rng = random.Random(worker)
    for number in itertools.count():
        name = f"w{worker}-{number}"
        for value in ("1s", "2s", "3s"):
            await settle_write(replicas, ledger, rng, name, value)
            if stop.is_set():
                return
        if number % 3 == 0:
            await settle_write(replicas, ledger, rng, name, None)


async def settle_write(
    replicas: list[Replica], ledger: Ledger, rng: random.Random, name: str, value: str | None
) -> None:
    path = f"/meshes/default/meshtimeouts/{name}"
    method, body = ("DELETE", None) if value is None else ("PUT", policy(name, value))
    try:
        status, answer = await rng.choice(replicas).call(method, path, body)
    except (aiohttp.ClientError, TimeoutError):
        # The replica died; what it was doing may or may not have happened.
        ledger.doubtful.setdefault(name, set()).add(value or "")
        await asyncio.sleep(0.05)
        return
    if status in (200, 201):
        ledger.counters["acknowledged"] += 1
        if value is None:
            ledger.deleted.add(name)
        else:
            ledger.created[name] = value
            ledger.doubtful.pop(name, None)
    elif status == 503 and "unknown" in str(answer):
        ledger.doubtful.setdefault(name, set()).add(value or "")
    else:
        ledger.counters[f"refused {status}"] += 1
        await asyncio.sleep(0.05)


async def stored(replica: Replica) -> dict[str, str]:
    """All policies of the writers with their values."""
    found: dict[str, str] = {}
    offset = 0
    while True:
        status, page = await replica.call("GET", f"/meshes/default/meshtimeouts?size=1000&offset={offset}")
        assert status == 200
        for item in page["items"]:
            if item["name"].startswith("w"):
                assert item["name"] not in found, f"{item['name']} is there twice"
                found[item["name"]] = item["spec"]["to"][0]["default"]["connectionTimeout"]
        offset += 1000
        if not page["next"]:
            return found


async def until_same(replicas: list[Replica]) -> dict[str, str]:
    """What is stored, once all replicas agree."""
    async with asyncio.timeout(60):
        while True:
            views = [await stored(replica) for replica in replicas]
            if all(view == views[0] for view in views):
                return views[0]
            await asyncio.sleep(0.2)


async def test_no_acknowledged_write_is_lost_and_none_is_doubled(backend: Backend, tmp_path: Path) -> None:
    replicas = [Replica(tmp_path / f"cp{i}", backend.variables) for i in range(2)]
    ledger, stop = Ledger(), asyncio.Event()
    try:
        await asyncio.gather(*(replica.start() for replica in replicas))
        await until_mesh(replicas)
        writers = [asyncio.create_task(write_on(replicas, ledger, worker, stop)) for worker in range(WRITERS)]
        for kill in range(KILLS):
            await progress(ledger, 40)
            victim = replicas[kill % 2]
            await victim.stop(signal.SIGKILL)
            await progress(ledger, 30)
            await victim.start()
        await progress(ledger, 40)
        stop.set()
        await asyncio.gather(*writers)
        ledger.check(await until_same(replicas))
        assert ledger.counters["acknowledged"] >= 40 + KILLS * 70
    finally:
        await asyncio.gather(*(replica.close() for replica in replicas))


async def test_a_store_killed_under_load_loses_nothing_either(backend: Backend, tmp_path: Path) -> None:
    replicas = [Replica(tmp_path / f"cp{i}", backend.variables) for i in range(2)]
    ledger, stop = Ledger(), asyncio.Event()
    try:
        await asyncio.gather(*(replica.start() for replica in replicas))
        await until_mesh(replicas)
        writers = [asyncio.create_task(write_on(replicas, ledger, worker, stop)) for worker in range(WRITERS)]
        for _ in range(2):
            await progress(ledger, 40)
            await backend.kill()
            await asyncio.sleep(1)
            await backend.start()
        await progress(ledger, 40)
        stop.set()
        await asyncio.gather(*writers)
        ledger.check(await until_same(replicas))
    finally:
        await asyncio.gather(*(replica.close() for replica in replicas))


async def test_a_member_of_etcd_that_hangs_under_load_is_left_and_may_wake_up(tmp_path: Path) -> None:
    cluster = Etcd(tmp_path, 3)
    await cluster.start()
    store = {
        "KUMA_STORE_TYPE": "etcd",
        "KUMA_STORE_ETCD_ENDPOINTS": ",".join(cluster.endpoints),
        "KUMA_STORE_ETCD_REQUEST_TIMEOUT": "20s",
    }
    replicas = [Replica(tmp_path / f"cp{i}", store) for i in range(2)]
    ledger, stop = Ledger(), asyncio.Event()
    try:
        await asyncio.gather(*(replica.start() for replica in replicas))
        await until_mesh(replicas)
        writers = [asyncio.create_task(write_on(replicas, ledger, worker, stop)) for worker in range(WRITERS)]
        for member in cluster.members:
            await progress(ledger, 30)
            member.freeze()
            await progress(ledger, 30)
            member.thaw()
        await progress(ledger, 30)
        stop.set()
        await asyncio.gather(*writers)
        ledger.check(await until_same(replicas))
        for replica in replicas:
            assert await replica.figure("ursa_store_outages_total") == 0, "two of three are enough"
    finally:
        await asyncio.gather(*(replica.close() for replica in replicas))
        await cluster.kill()


async def until_mesh(replicas: list[Replica]) -> None:
    for replica in replicas:
        await until(lambda replica=replica: has_mesh(replica))  # type: ignore[misc]


async def has_mesh(replica: Replica) -> bool:
    return (await replica.call("GET", "/meshes/default"))[0] == 200


async def progress(ledger: Ledger, count: int) -> None:
    """Returns after so many further acknowledged writes."""
    aim = ledger.counters["acknowledged"] + count

    async def reached() -> bool:
        return ledger.counters["acknowledged"] >= aim

    await until(reached)
