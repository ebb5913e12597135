"""A control plane whose store goes away keeps serving, says so, and recovers by itself."""

from __future__ import annotations

import re
from pathlib import Path

from tests.failure.conftest import Backend
from tests.failure.replicas import Replica, policy, until


async def until_stored(replica: Replica, name: str) -> None:
    async def stored() -> bool:
        return (await replica.call("PUT", f"/meshes/default/meshtimeouts/{name}", policy(name)))[0] in (200, 201)

    await until(stored)


async def test_reads_go_on_writes_are_refused_and_everything_comes_back(backend: Backend, tmp_path: Path) -> None:
    replica = Replica(tmp_path / "cp", backend.variables)
    try:
        await replica.start()
        await until_stored(replica, "before")
        assert (await replica.call("GET", "/store-status"))[1]["available"] is True
        await backend.kill()
        for _ in range(3):
            status, problem = await replica.call("PUT", "/meshes/default/meshtimeouts/during", policy("during"))
            assert status == 503
        assert re.search(r"unavailable since \d{4}-.* serves what it knows", problem["detail"])
        assert (await replica.call("GET", "/meshes/default/meshtimeouts/before"))[0] == 200
        assert await replica.ready()
        _, told = await replica.call("GET", "/store-status")
        assert told["available"] is False and told["unavailableSince"] and told["outages"] == 1
        metrics = await replica.metrics()
        assert re.search(r'ursa_store_up\{engine="\w+"\} 0\.0', metrics)
        assert not re.search(r"ursa_store_unavailable_since_seconds 0\.0", metrics)
        await backend.start()
        await until_stored(replica, "after")
        assert (await replica.call("GET", "/meshes/default/meshtimeouts/before"))[0] == 200
        assert (await replica.call("GET", "/meshes/default/meshtimeouts/during"))[0] == 404
        assert (await replica.call("GET", "/store-status"))[1]["available"] is True
        assert re.search(r'ursa_store_up\{engine="\w+"\} 1\.0', await replica.metrics())
        assert replica.process is not None and replica.process.returncode is None
    finally:
        await replica.close()


async def test_a_control_plane_may_be_started_before_its_store(backend: Backend, tmp_path: Path) -> None:
    await backend.kill()
    replica = Replica(tmp_path / "cp", backend.variables)
    try:
        await replica.start(ready=False)

        async def told() -> bool:
            return "store unavailable" in replica.log.read_text()

        await until(told)
        assert not await replica.ready()
        await backend.start()
        await replica.until_ready()
        await until_stored(replica, "x")
    finally:
        await replica.close()
