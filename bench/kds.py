"""What syncing costs: `python -m bench.kds`; one global and up to fifty zones; prints one JSON document.

The global is a real process. The zones are real clients with stores in memory, all in the process of the benchmark, so
their CPU is not in the figures, but it is in the times.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import HTTPError

from bench.fake_zones import VERSION, WATCHED, FakeZone, until_served
from bench.meter import Figures
from bench.planes import Plane, start_global
from ursa.model.resource import Resource
from ursa.runtime.clock import SystemClock
from ursa.store.contract import MAX_WRITES, Create
from ursa.store.sqlite import SqliteStore

CALM = 0.005
"""CPU seconds in half a second below which a global with one zone at most has nothing to do any more."""

IDLE = 4.0
"""Seconds of idleness that are measured, to tell what a change costs from what being connected costs."""

STATUS = 11.0
"""Seconds in which all that is to be recorded about connections is recorded: the global writes it every ten."""

PAUSE = 0.02
"""Seconds between a write that every zone has and the next one."""


def spec_of(number: int) -> dict[str, object]:
    """A MeshTimeout for everything, like neither the one before nor the one after."""
    http = {"requestTimeout": f"{number % 50 + 1}s"}
    return {"to": [{"targetRef": {"kind": "Mesh"}, "default": {"http": http}}]}


async def calm(plane: Plane) -> None:
    """Returns when the control plane has nothing to do."""
    while True:
        before = plane.cpu
        await asyncio.sleep(0.5)
        if plane.cpu - before < CALM:
            return


async def idle_cpu(plane: Plane) -> float:
    """CPU seconds per second while nothing happens."""
    cpu = plane.cpu
    await asyncio.sleep(IDLE)
    return (plane.cpu - cpu) / IDLE


async def changes(top: Plane, zones: Sequence[FakeZone], count: int) -> Figures:
    """Writes a policy many times; the next time when every zone has it."""
    idle = await idle_cpu(top)
    delays, written = list[float](), list[float]()
    cpu, begun = top.cpu, time.monotonic()
    for number in range(count):
        version = f"{len(zones)}-{number}"
        document: dict[str, object] = {
            "type": "MeshTimeout",
            "mesh": "default",
            "name": WATCHED,
            "labels": {VERSION: version},
            "spec": spec_of(number),
        }
        started = time.monotonic()
        await asyncio.to_thread(top.put, f"/meshes/default/meshtimeouts/{WATCHED}", document)
        written.append(time.monotonic() - started)
        async with asyncio.timeout(60):
            delays += [await zone.saw(version) - started for zone in zones]
        await asyncio.sleep(PAUSE)
    used = top.cpu - cpu - idle * (time.monotonic() - begun)
    return {
        "changes": count,
        "written_ms": percentiles(written),
        "stored_in_zone_ms": percentiles(delays),
        "global_cpu_ms_per_change": round(1000 * used / count, 2),
        "global_idle_cpu_s_per_minute": round(60 * idle, 2),
    }


async def reconnect(top: Plane, zones: Sequence[FakeZone]) -> Figures:
    """All connections break and all zones come back at once with what they have; nothing has changed."""
    idle = await idle_cpu(top)
    calls = await asyncio.to_thread(top.store_calls)
    deliveries = sum(zone.deliveries for zone in zones)
    written = sum((zone.written for zone in zones), Counter[str]())
    cpu, started = top.cpu, time.monotonic()
    await asyncio.gather(*(zone.disconnect() for zone in zones))
    for zone in zones:
        zone.connect()
    await until_served(zones)
    served = time.monotonic() - started
    await asyncio.sleep(STATUS)
    used = top.cpu - cpu - idle * (time.monotonic() - started)
    return {
        "last_served_s": round(served, 2),
        "global_cpu_s": round(used, 2),
        "responses": sum(zone.responses for zone in zones),
        "responses_with_contents": sum(zone.deliveries for zone in zones) - deliveries,
        "written_in_zones": sum((zone.written for zone in zones), Counter[str]()) - written,
        "global_store": await asyncio.to_thread(top.store_calls) - calls,
    }


async def initial_sync(folder: Path, count: int) -> Figures:
    """A zone without anything connects to a global with many policies."""
    async with running_global(folder, policies=count) as top:
        await calm(top)
        zone = FakeZone("late", top.kds)
        cpu, started = top.cpu, time.monotonic()
        await zone.open()
        try:
            async with asyncio.timeout(100):
                while zone.count("MeshTimeout") < count:  # noqa: ASYNC110 - less work than being told of each
                    await asyncio.sleep(0.01)
            taken = time.monotonic() - started
            await calm(top)
            return {
                "seconds": round(taken, 2),
                "global_cpu_s": round(top.cpu - cpu, 2),
                "responses": zone.client.status.down["MeshTimeout"].responses,
                "global_memory_mb": top.memory >> 20,
            }
        finally:
            await zone.close()


async def until_ready(top: Plane) -> None:
    """Returns when the global has made its mesh, which it does after it first answers."""
    async with asyncio.timeout(60):
        while True:
            with suppress(HTTPError):
                await asyncio.to_thread(top.get, "/meshes/default")
                return
            await asyncio.sleep(0.1)


@asynccontextmanager
async def running_global(folder: Path, *, policies: int = 0) -> AsyncIterator[Plane]:
    """A global whose store contained that many policies before it started."""
    path = folder / "contents.db"
    if policies:
        store = SqliteStore(str(path), SystemClock())
        await store.open()
        labels = {"kuma.io/mesh": "default", "kuma.io/origin": "global"}
        creates = [
            Create(Resource("MeshTimeout", "default", f"timeout-{number}", spec_of(number), labels))
            for number in range(policies)
        ]
        for start in range(0, policies, MAX_WRITES):
            await store.write(creates[start : start + MAX_WRITES])
        await store.close()
    top = await start_global(folder, settings={"KUMA_STORE_SQLITE_PATH": str(path)})
    try:
        await until_ready(top)
        yield top
    finally:
        await asyncio.to_thread(top.stop)


def percentiles(seconds: Sequence[float]) -> dict[str, float] | None:
    """In milliseconds."""
    if not seconds:
        return None
    ranked = sorted(1000 * one for one in seconds)
    return {"p50": round(statistics.median(ranked), 1), "p95": round(ranked[int(len(ranked) * 0.95)], 1)}


async def measure(fleets: Sequence[int], count: int, policies: Sequence[int]) -> dict[str, object]:
    """Runs everything once."""
    figures: dict[str, object] = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "arch": platform.machine()}
    }
    # One after the other: each has a folder, so a store, of its own.
    with TemporaryDirectory(prefix="ursa-bench-") as folder:
        async with running_global(Path(folder)) as top:
            zones: list[FakeZone] = []
            try:
                await calm(top)
                figures["changes_with_0_zones"] = await changes(top, zones, count)
                for size in fleets:
                    await connect(top, zones, size)
                    if size == fleets[-1]:
                        figures[f"reconnect_of_{size}_zones"] = await reconnect(top, zones)
                    figures[f"changes_with_{size}_zones"] = await changes(top, zones, count)
            finally:
                await asyncio.gather(*(zone.close() for zone in zones))
    for size in policies:
        with TemporaryDirectory(prefix="ursa-bench-") as folder:
            figures[f"initial_sync_of_{size}_policies"] = await initial_sync(Path(folder), size)
    return figures


async def connect(top: Plane, zones: list[FakeZone], size: int) -> None:
    """Adds zones until there are so many, and waits until that is recorded."""
    added = [FakeZone(f"zone-{number}", top.kds) for number in range(len(zones), size)]
    zones += added
    for zone in added:
        await zone.open()
    await until_served(added)
    await asyncio.sleep(STATUS)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m bench.kds", description=__doc__)
    parser.add_argument("--zones", type=int, nargs="+", default=[1, 10, 50], help="in rising order")
    parser.add_argument("--changes", type=int, default=40)
    parser.add_argument("--policies", type=int, nargs="*", default=[1_000, 10_000], help="sizes of the initial sync")
    options = parser.parse_args()
    figures = asyncio.run(measure(options.zones, options.changes, options.policies))
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
