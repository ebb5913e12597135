"""An idle mesh is really idle: no store is read and nothing is sent to a proxy, however many are connected."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.fake_proxies import DeltaProxy, FakeProxy, fleet
from bench.planes import Plane, start_global, start_zone
from deploy.demo.waiting import until
from ursa.runtime.tasks import cancel_and_wait, spawn

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PROXIES, SERVICES = 50, 5
IDLE = 30.0
REST = 12.0
"""Seconds without a read after which nothing is left to be recorded: status is written every ten seconds at most."""

READS = frozenset({"get", "list", "contents", "revision", "watch"})
STORE_CALLS = re.compile(r'^store_count\{operation="(\w+)",resource_type="(\w*)",zone="\w+"\} (\S+)$', re.MULTILINE)
PUSHES = re.compile(r'^ursa_xds_responses_total\{zone="\w+"\} (\S+)$', re.MULTILINE)


async def test_nothing_is_read_and_nothing_sent_while_nothing_happens(tmp_path: Path) -> None:
    centre = await start_global(tmp_path)
    zone = await start_zone(tmp_path, "east", centre.kds)
    with _ended(zone, centre):
        await until("the zone has its mesh", lambda: asyncio.to_thread(_has_mesh, zone), 60)
        proxies = fleet(PROXIES, SERVICES, DeltaProxy)
        running = [spawn(proxy.run(f"127.0.0.1:{zone.xds}", zone.certificate), proxy.name) for proxy in proxies]
        try:
            await until("all proxies have everything", lambda: _all_have_endpoints(proxies), 60)
            planes = {"zone": zone, "global": centre}
            async with asyncio.timeout(90):
                before = await _at_rest(planes)
            received = sum(proxy.responses for proxy in proxies)
            await asyncio.sleep(IDLE)
            after = await asyncio.to_thread(_counters, planes)
            assert _grown(before, after) == {}
            assert sum(proxy.responses for proxy in proxies) == received
            assert not any(proxy.failures for proxy in proxies), "a proxy lost its stream"
            assert before["zone", "pushes", ""] >= PROXIES, "the counters count nothing"
            assert all(before[name, "contents", ""] for name in planes), "the counters count nothing"
        finally:
            await cancel_and_wait(*running)


async def _all_have_endpoints(proxies: list[FakeProxy]) -> bool:
    return all(len(proxy.eds_clusters) == SERVICES for proxy in proxies)


async def _at_rest(planes: Mapping[str, Plane]) -> dict[tuple[str, str, str], float]:
    """Counters that have stopped moving, once that the proxies have connected is recorded everywhere."""
    while True:
        before = await asyncio.to_thread(_counters, planes)
        await asyncio.sleep(REST)
        if not _grown(before, await asyncio.to_thread(_counters, planes)):
            return before


def _has_mesh(zone: Plane) -> bool:
    try:
        return bool(zone.get("/meshes/default"))
    except OSError:
        return False


def _counters(planes: Mapping[str, Plane]) -> dict[tuple[str, str, str], float]:
    """Reads of the stores by kind, and responses sent to proxies, of every control plane."""
    found: dict[tuple[str, str, str], float] = {}
    for name, plane in planes.items():
        with urllib.request.urlopen(f"http://127.0.0.1:{plane.diagnostics}/metrics") as response:
            text = response.read().decode()
        calls = STORE_CALLS.findall(text)
        found |= {(name, operation, kind): float(n) for operation, kind, n in calls if operation in READS}
        if pushes := PUSHES.search(text):
            found[name, "pushes", ""] = float(pushes[1])
    return found


def _grown(before: Mapping[object, float], after: Mapping[object, float]) -> dict[object, float]:
    return {key: after[key] - before.get(key, 0.0) for key in after if after[key] != before.get(key)}


@contextmanager
def _ended(*planes: Plane) -> Iterator[None]:
    """Ends control planes when the context closes."""
    try:
        yield
    finally:
        for plane in planes:
            plane.stop()
