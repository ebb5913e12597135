"""A store that answers late: what is known is served as ever, writes wait in bounded number or are refused in words."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from tests.failure.conftest import Backend
from tests.failure.relays import SlowRelay
from tests.failure.replicas import Replica, policy, until
from tests.failure.test_replicas import Ledger, progress, until_mesh, until_same, write_on
from ursa.runtime.tasks import cancel_and_wait, spawn

WRITERS, FLOOD, MAX_WAITING = 6, 400, 50
LATE, TOO_LATE = 0.4, 4.0
"""Seconds for each way; a request may take 5 s."""

GROWTH = 60 * 2**20
"""Bytes by which memory may grow while hundreds of writes come at once: buffers of their connections, no more."""

pytestmark = pytest.mark.timeout(300)


def memory(replica: Replica) -> int:
    """Resident bytes."""
    assert replica.process is not None
    pages = int(Path(f"/proc/{replica.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Reader:
    """Reads what is known, over and over."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self.reads = 0
        self.slowest = 0.0

    async def run(self) -> None:
        while True:
            began = time.monotonic()
            for path in ("/meshes/default", "/meshes/default/meshtimeouts?size=10"):
                assert (await self._replica.call("GET", path))[0] == 200
                self.reads += 1
            self.slowest = max(self.slowest, time.monotonic() - began)
            await asyncio.sleep(0.05)


async def flood(replica: Replica) -> tuple[Counter[int], list[str]]:
    """Many writes at once: the statuses of their answers, and what was said of those that were refused."""
    limit = aiohttp.TCPConnector(limit=2 * MAX_WAITING)
    statuses, texts = Counter[int](), list[str]()

    async def write(session: aiohttp.ClientSession, number: int) -> None:
        name = f"flood-{number}"
        url = f"http://127.0.0.1:{replica.api}/meshes/default/meshtimeouts/{name}"
        async with session.put(url, json=policy(name)) as response:
            statuses[response.status] += 1
            if response.status >= 400:
                texts.append((await response.json())["detail"])

    async with aiohttp.ClientSession(connector=limit, timeout=aiohttp.ClientTimeout(total=100)) as session:
        await asyncio.gather(*(write(session, number) for number in range(FLOOD)))
    return statuses, texts


async def waiting(replica: Replica) -> int:
    return int(await replica.figure("ursa_store_waiting_calls"))


async def test_a_slow_store_slows_nothing_but_writes(backend: Backend, tmp_path: Path) -> None:
    async with SlowRelay(backend.port) as relay:
        limits = {"URSA_STORE_MAX_WAITING_CALLS": str(MAX_WAITING)}
        replica = Replica(tmp_path / "cp", backend.at(relay.port), limits)
        ledger, stop, reader = Ledger(), asyncio.Event(), Reader(replica)
        try:
            await replica.start()
            await until_mesh([replica])
            await flood(replica)
            quiet = memory(replica)
            writers = [spawn(write_on([replica], ledger, n, stop), f"writer {n}") for n in range(WRITERS)]
            reading = spawn(reader.run(), "reader")
            try:
                await progress(ledger, 20)

                # Late, but in time: writes wait, and are made.
                relay.delay = LATE
                await asyncio.sleep(2 * LATE)
                before, reads = ledger.counters["acknowledged"], reader.reads
                await progress(ledger, 12)
                assert reader.reads - reads > 5 * (ledger.counters["acknowledged"] - before), "reads do not wait"
                flooding = spawn(flood(replica), "flood")
                most = 0
                while not flooding.done():
                    most = max(most, await waiting(replica))
                    assert await replica.ready()
                    await asyncio.sleep(0.1)
                statuses, texts = await flooding
                assert most <= MAX_WAITING
                assert set(statuses) <= {200, 201, 503} and sum(statuses.values()) == FLOOD
                slow = [text for text in texts if text.startswith(f"the store is too slow: {MAX_WAITING} calls wait")]
                assert slow == texts and statuses[503] == len(texts) > 0
                _, told = await replica.call("GET", "/store-status")
                assert told["available"] is True and told["outages"] == 0, "slow is not away"

                # Too late: that is an outage, and whoever waits is told.
                relay.delay = TOO_LATE

                async def away() -> bool:
                    return (await replica.call("GET", "/store-status"))[1]["available"] is False

                await until(away)
                reads = reader.reads
                status, problem = await replica.call("PUT", "/meshes/default/meshtimeouts/x", policy("x"))
                assert status == 503 and "unavailable since" in problem["detail"]
                await until(lambda: more(reader, reads + 20))
                assert await replica.ready()
                assert await waiting(replica) <= MAX_WAITING

                # In time again.
                relay.delay = 0.0
                await progress(ledger, 40)
                stop.set()
                await asyncio.gather(*writers)
                grown = memory(replica) - quiet
            finally:
                await cancel_and_wait(*writers, reading)
            ledger.check(await until_same([replica]))
            assert grown < GROWTH
            print(
                f"flood={dict(statuses)} waiting<={most} reads={reader.reads} slowest={reader.slowest:.2f}s "
                f"grown={grown >> 20} MiB {dict(ledger.counters)}"
            )
        finally:
            await replica.close()


async def more(reader: Reader, than: int) -> bool:
    return reader.reads > than
