"""kill -9 in the middle of writes loses no write that was acknowledged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from ursa.runtime.clock import SystemClock
from ursa.store.sqlite import SqliteStore

WRITER = """
import asyncio, sys
from ursa.model.resource import Resource
from ursa.runtime.clock import SystemClock
from ursa.store.contract import create
from ursa.store.sqlite import SqliteStore

async def main():
    store = SqliteStore(sys.argv[1], SystemClock())
    await store.open()
    async def writer(worker):
        for i in range(10 ** 6):
            name = f"w{worker}-{sys.argv[2]}-{i}"
            await create(store, Resource("MeshTimeout", "default", name, {"to": []}))
            print(name, flush=True)
    await asyncio.gather(*(writer(w) for w in range(8)))

asyncio.run(main())
"""


async def test_acknowledged_writes_survive_kill_9(tmp_path: Path) -> None:
    database = str(tmp_path / "s.db")
    acknowledged: set[str] = set()
    for enough in (40, 90, 150):
        command = [sys.executable, "-c", WRITER, database, str(enough)]
        process = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs in this loop
            command, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(enough):
            acknowledged.add(process.stdout.readline().strip())
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    store = SqliteStore(database, SystemClock())
    await store.open()
    contents = await store.contents()
    await store.close()
    assert acknowledged <= {resource.name for resource in contents.resources}
    assert contents.revision == max(resource.version for resource in contents.resources)
