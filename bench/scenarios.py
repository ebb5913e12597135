"""What is measured: storms, changes, the way from a write at the global to the last proxy, and idleness."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from urllib.error import HTTPError

from bench.fake_proxies import FakeProxy, dataplane
from bench.meter import Figures, Meter
from bench.planes import Plane
from ursa.envoy import types
from ursa.runtime.tasks import cancel_and_wait, spawn

POLL = 0.005
"""Seconds between two looks at the zone in the one scenario that has to look."""

PATIENCE = 300.0
"""Seconds after which something is not going to happen any more."""

MESH = {
    "type": "Mesh",
    "name": "default",
    "mtls": {"enabledBackend": "ca-1", "backends": [{"name": "ca-1", "type": "builtin"}]},
}


class Scenarios:
    """The scenarios of one run, in the order in which they are called."""

    def __init__(self, top: Plane, zone: Plane, proxies: Sequence[FakeProxy], services: int) -> None:
        self._top, self._zone, self._proxies, self._services = top, zone, proxies, services
        self._meter = Meter({"zone": zone, "global": top}, proxies)
        self._running: list[asyncio.Task[None]] = []

    async def prepare(self) -> None:
        """A mesh with mTLS, as the zone has it."""
        self._top.put("/meshes/default", MESH)
        await self._until_zone_has("/meshes/default", lambda mesh: "mtls" in mesh)

    async def connect(self) -> Figures:
        """All proxies connect at once."""
        await self._meter.start()
        return await self._all_connected()

    async def reconnect(self) -> Figures:
        """All connections break, and all proxies come back at once with what they have."""
        await self._meter.start()
        await cancel_and_wait(*self._running)
        await self._until_connected(0)
        return await self._all_connected()

    async def disconnect(self) -> None:
        """All proxies go."""
        await cancel_and_wait(*self._running)

    async def _all_connected(self) -> Figures:
        lost = sum(proxy.failures for proxy in self._proxies)
        address, ca = f"127.0.0.1:{self._zone.xds}", self._zone.certificate
        self._running = [spawn(proxy.run(address, ca), proxy.name) for proxy in self._proxies]
        await self._until_connected(len(self._proxies))
        await self._until_complete()
        await self._meter.settle(quiet=3.0)
        figures = await self._meter.figures()
        latest = max((at for proxy in self._proxies for at in proxy.seen.values()), default=0.0)
        return {
            "complete": sum(proxy.complete(self._services) for proxy in self._proxies),
            "streams_lost": sum(proxy.failures for proxy in self._proxies) - lost,
            # Nobody gets anything when everybody still has it all.
            "last_s": round(latest - self._meter.started, 3) if latest > self._meter.started else None,
            **figures,
        }

    async def endpoint_change(self) -> Figures:
        """One instance of one service appears."""
        extra = dataplane("extra", "10.200.0.1", 0, self._services)
        return await self._change(types.ENDPOINT, lambda: self._zone.put("/meshes/default/dataplanes/extra", extra))

    async def policy_change(self) -> Figures:
        """A timeout for everything changes, at the global: every outbound listener of every proxy is another one."""
        return await self._change(types.LISTENER, lambda: self._put_timeout("57s"))

    async def propagation(self) -> Figures:
        """The same once more, and looking when the zone has it. Looking costs CPU, so only times are measured."""
        await self._meter.start()
        await asyncio.to_thread(self._put_timeout, "58s")
        answered = time.monotonic() - self._meter.started
        await self._until_zone_has("/meshes/default/meshtimeouts", lambda found: '"58s"' in json.dumps(found))
        stored = time.monotonic() - self._meter.started
        await self._meter.settle()
        return {"written_s": round(answered, 3), "zone_stored_s": round(stored, 3), **self._meter.times(types.LISTENER)}

    async def idle(self, seconds: float) -> Figures:
        """Nothing happens: CPU seconds per minute."""
        await self._meter.start()
        await asyncio.sleep(seconds)
        figures = await self._meter.figures()
        spent: dict[str, float] = figures["cpu_s"]  # type: ignore[assignment]
        return {**figures, "cpu_s": {name: round(cpu * 60 / seconds, 3) for name, cpu in spent.items()}}

    def memory(self) -> Figures:
        """Resident megabytes."""
        return {"zone": self._zone.memory >> 20, "global": self._top.memory >> 20}

    async def _change(self, type_url: str, write: Callable[[], object]) -> Figures:
        await self._meter.start()
        await asyncio.to_thread(write)
        answered = time.monotonic() - self._meter.started
        await self._meter.settle()
        figures = await self._meter.figures()
        return {"written_s": round(answered, 3), **self._meter.times(type_url), **figures}

    def _put_timeout(self, timeout: str) -> None:
        to = [{"targetRef": {"kind": "Mesh"}, "default": {"http": {"requestTimeout": timeout}}}]
        document = {"type": "MeshTimeout", "mesh": "default", "name": "bench", "spec": {"to": to}}
        self._top.put("/meshes/default/meshtimeouts/bench", document)

    async def _until_connected(self, count: int) -> None:
        """Asks once a second how many proxies the zone serves; the proxies cannot tell when they get nothing."""
        async with asyncio.timeout(PATIENCE):
            while True:
                if (await asyncio.to_thread(self._zone.counters))["proxies_connected"] == count:
                    return
                await asyncio.sleep(1)

    async def _until_complete(self) -> None:
        """Gives up in the end: how many are complete is one of the figures."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while True:
                    if all(proxy.complete(self._services) for proxy in self._proxies):
                        return
                    await asyncio.sleep(0.5)

    async def _until_zone_has(self, path: str, condition: Callable[[dict[str, object]], bool]) -> None:
        async with asyncio.timeout(60):
            while True:
                with suppress(HTTPError):
                    if condition(await asyncio.to_thread(self._zone.get, path)):
                        return
                await asyncio.sleep(POLL)
