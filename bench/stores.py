"""What each store engine costs: `python -m bench.stores [engine …]`; prints one JSON document.

Every engine runs on this machine, its server with the durability it has in production (etcd and PostgreSQL sync to
disk, Redis appends and syncs always): the figures compare engines, not networks.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.servers.etcd import Etcd
from tests.servers.postgres import Postgres
from tests.servers.redis import RedisServer
from ursa.model.resource import Resource
from ursa.runtime.clock import SystemClock
from ursa.runtime.config.store import StoreEtcd, StoreRedis
from ursa.runtime.tasks import cancel_and_wait, spawn
from ursa.store.contract import MAX_WRITES, Create, Store, Update, create
from ursa.store.etcd import EtcdStore
from ursa.store.memory import MemoryStore
from ursa.store.postgres import PostgresStore
from ursa.store.redis import RedisStore
from ursa.store.sqlite import SqliteStore
from ursa.view.live import LiveView

ENGINES = ("memory", "sqlite", "etcd", "postgres", "redis")

Maker = Callable[[], Store]


def dataplane(name: str, number: int = 0) -> Resource:
    """An object of the size that is most frequent in a mesh."""
    inbound = {"port": 8080, "address": "10.0.0.1", "tags": {"kuma.io/service": "web", "version": f"v{number}"}}
    spec = {"networking": {"address": f"10.0.{number % 250}.1", "inbound": [inbound]}}
    return Resource("Dataplane", "default", name, spec, {"kuma.io/zone": "east", "kuma.io/origin": "zone"})


@asynccontextmanager
async def server(engine: str, folder: Path) -> AsyncIterator[Maker]:
    """Makes stores on the same contents, for as long as this lasts."""
    clock = SystemClock()
    match engine:
        case "memory":
            store = MemoryStore(clock)
            yield lambda: store
        case "sqlite":
            yield lambda: SqliteStore(str(folder / "s.db"), clock)
        case "etcd":
            etcd = Etcd(folder, sync=True)
            await etcd.start()
            yield lambda: EtcdStore(StoreEtcd(endpoints=etcd.endpoints), clock)
            await etcd.stop()
        case "postgres":
            postgres = Postgres(folder, sync=True)
            await postgres.start()
            yield lambda: PostgresStore(postgres.access(), clock)
            await postgres.stop()
        case _:
            redis = RedisServer(folder)
            await redis.start()
            yield lambda: RedisStore(StoreRedis(port=redis.port), clock)
            await redis.stop()


async def writes_per_second(store: Store, writers: int, seconds: float) -> float:
    """Single-object transactions by several writers at once."""
    until = time.monotonic() + seconds
    count = 0

    async def write(writer: int) -> None:
        nonlocal count
        name = f"w{writers}-{writer}"
        await create(store, dataplane(name))
        number = 0
        while time.monotonic() < until:
            number += 1
            await store.write([Update(dataplane(name, number))])
            count += 1

    await asyncio.gather(*(write(writer) for writer in range(writers)))
    return round(count / seconds, 1)


async def watch_latency(store: Store, reader: Store, count: int) -> dict[str, float]:
    """Milliseconds from just before a write to its arrival at a reader, one write every 5 ms."""
    started: dict[int, float] = {}
    taken: dict[int, float] = {}
    revision = await store.revision()

    async def read() -> None:
        async for batch in reader.watch(revision):
            taken[batch.revision] = time.monotonic()
            if len(taken) == count:
                return

    reading = spawn(read(), "reader")
    await asyncio.sleep(0.2)
    for number in range(count):
        before = time.monotonic()
        written, _ = await store.write([Create(dataplane(f"l{number}"))])
        started[written] = before
        await asyncio.sleep(0.005)
    async with asyncio.timeout(30):
        await reading
    delays = sorted(1000 * (taken[written] - before) for written, before in started.items())
    return {"p50_ms": round(statistics.median(delays), 2), "p99_ms": round(delays[int(len(delays) * 0.99)], 2)}


async def timed(work: Awaitable[object]) -> float:
    """Seconds that something took."""
    before = time.monotonic()
    await work
    return round(time.monotonic() - before, 2)


async def fill(store: Store, objects: int) -> None:
    """Writes that many objects in large transactions."""
    for start in range(0, objects, MAX_WRITES):
        await store.write([Create(dataplane(f"d{i}", i)) for i in range(start, min(objects, start + MAX_WRITES))])


async def measure(engine: str, objects: int, seconds: float) -> dict[str, object]:
    """All figures of one engine."""
    # A folder that PostgreSQL's own user may enter.
    with TemporaryDirectory(prefix="ursa-bench-") as folder:
        async with server(engine, Path(folder)) as make:
            store = make()
            await store.open()
            reader = store if engine in ("memory", "sqlite") else make()
            if reader is not store:
                await reader.open()
            result: dict[str, object] = {
                "writes_per_s_1_writer": await writes_per_second(store, 1, seconds),
                "writes_per_s_64_writers": await writes_per_second(store, 64, seconds),
                "watch": await watch_latency(store, reader, 500),
                f"fill_{objects}_objects_s": await timed(fill(store, objects)),
            }
            live = LiveView(reader)
            following = spawn(live.run(), "live view")
            result[f"start_with_{objects}_objects_s"] = await timed(live.ready.wait())
            await cancel_and_wait(following)
            for one in {store, reader}:
                await one.close()
    return result


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m bench.stores", description=__doc__)
    parser.add_argument("engines", nargs="*", default=ENGINES, metavar="engine", help=" ".join(ENGINES))
    parser.add_argument("--objects", type=int, default=50_000)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each measurement of writes")
    options = parser.parse_args()
    figures = {e: asyncio.run(measure(e, options.objects, options.seconds)) for e in options.engines}
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
