"""`make bench`: a global, a zone and many fake proxies; prints one JSON document.

What is counted: CPU seconds of the control plane from the kernel, responses at the proxies, and the time from the
write to the first, median and last proxy. Quote ratios of one run; absolute times depend on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.fake_proxies import FakeProxy, dataplane, fleet, settled
from bench.planes import Plane, start_global, start_zone
from ursa.envoy import types
from ursa.runtime.tasks import cancel_and_wait, spawn


async def measure(proxies: int, services: int, idle: float) -> dict[str, object]:
    """Runs all scenarios once."""
    with tempfile.TemporaryDirectory(prefix="ursa-bench-") as folder:
        top = await start_global(Path(folder))
        zone = await start_zone(Path(folder), "east", top.kds)
        try:
            await _synced(zone)
            return await _scenarios(top, zone, fleet(proxies, services), services, idle)
        finally:
            zone.stop()
            top.stop()


async def _scenarios(
    top: Plane, zone: Plane, proxies: list[FakeProxy], services: int, idle: float
) -> dict[str, object]:
    results: dict[str, object] = {"proxies": len(proxies), "services": services}
    address, ca = f"127.0.0.1:{zone.xds}", zone.certificate
    before, started = zone.cpu, time.monotonic()
    running = [spawn(proxy.run(address, ca), proxy.name) for proxy in proxies]
    try:
        await settled(proxies, quiet=2.0)
        complete = sum(len(proxy.endpoints) == services for proxy in proxies)
        last = max(max(proxy.last.values(), default=started) for proxy in proxies)
        results["connect_storm"] = {
            "cpu_s": round(zone.cpu - before, 2),
            "last_s": round(last - started, 2),
            "complete": complete,
        }
        await asyncio.sleep(15)  # status writes that follow the storm are not idleness
        await settled(proxies, quiet=2.0)
        results["endpoint_change"] = await _change(
            proxies, types.ENDPOINT, [zone], lambda: _new_instance(zone, services)
        )
        results["policy_change"] = await _change(proxies, types.LISTENER, [zone, top], lambda: _new_timeout(top, "77s"))
        results["memory_mb"] = {"zone": zone.memory >> 20, "global": top.memory >> 20}
        await asyncio.sleep(15)
        results["idle_cpu_s_per_minute"] = await _idle([zone, top], idle)
    finally:
        await cancel_and_wait(*running)
    return results


async def _change(
    proxies: list[FakeProxy], type_url: str, planes: list[Plane], write: Callable[[], None]
) -> dict[str, object]:
    """Writes something and waits until every proxy has got it."""
    cpu = [plane.cpu for plane in planes]
    responses = sum(proxy.responses for proxy in proxies)
    started = time.monotonic()
    await asyncio.to_thread(write)
    answered = time.monotonic() - started
    await settled(proxies, quiet=1.0)
    times = sorted(at - started for proxy in proxies if (at := proxy.last.get(type_url, 0)) > started)
    await asyncio.sleep(1)
    return {
        "cpu_s": round(sum(plane.cpu - before for plane, before in zip(planes, cpu, strict=True)), 2),
        "api_s": round(answered, 3),
        "reached": len(times),
        "first_s": round(times[0], 3) if times else None,
        "median_s": round(statistics.median(times), 3) if times else None,
        "last_s": round(times[-1], 3) if times else None,
        "responses": sum(proxy.responses for proxy in proxies) - responses,
    }


async def _idle(planes: list[Plane], seconds: float) -> dict[str, float]:
    before = [plane.cpu for plane in planes]
    await asyncio.sleep(seconds)
    names = ("zone", "global")
    return {
        name: round((plane.cpu - cpu) * 60 / seconds, 3) for name, plane, cpu in zip(names, planes, before, strict=True)
    }


def _new_instance(zone: Plane, services: int) -> None:
    zone.put("/meshes/default/dataplanes/extra", dataplane("extra", "10.200.0.1", 0, range(services)))


def _new_timeout(top: Plane, timeout: str) -> None:
    to = [{"targetRef": {"kind": "Mesh"}, "default": {"http": {"requestTimeout": timeout}}}]
    document = {"type": "MeshTimeout", "mesh": "default", "name": "bench", "spec": {"to": to}}
    top.put("/meshes/default/meshtimeouts/bench", document)


async def _synced(zone: Plane) -> None:
    """Waits until the zone has the mesh from the global."""
    async with asyncio.timeout(30):
        while True:
            try:
                await asyncio.to_thread(zone.get, "/meshes/default")
            except OSError:
                await asyncio.sleep(0.1)
            else:
                return


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--proxies", type=int, default=1000)
    parser.add_argument("--services", type=int, default=50)
    parser.add_argument("--idle", type=float, default=30, help="seconds of idleness to measure")
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(measure(arguments.proxies, arguments.services, arguments.idle)), indent=1))


if __name__ == "__main__":
    main()
