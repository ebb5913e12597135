"""A control plane whose store goes away keeps serving, says so, and recovers by itself."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

import pytest

from bench.fake_proxies import DeltaProxy, dataplane
from tests.failure.conftest import Backend
from tests.failure.replicas import Replica, policy, until
from tests.servers.redis import RedisServer
from ursa.runtime.clock import SystemClock
from ursa.runtime.tasks import cancel_and_wait, spawn
from ursa.runtime.tls import ensure_self_signed


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
        assert re.search(r'ursa_store_up\{engine="\w+",zone="Global"\} 0\.0', metrics)
        assert not re.search(r"ursa_store_unavailable_since_seconds\{[^}]*\} 0\.0", metrics)
        await backend.start()
        await until_stored(replica, "after")
        assert (await replica.call("GET", "/meshes/default/meshtimeouts/before"))[0] == 200
        assert (await replica.call("GET", "/meshes/default/meshtimeouts/during"))[0] == 404
        assert (await replica.call("GET", "/store-status"))[1]["available"] is True
        assert re.search(r'ursa_store_up\{engine="\w+",zone="Global"\} 1\.0', await replica.metrics())
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


@pytest.mark.parametrize(
    ("engine", "where"),
    [
        ("etcd", "KUMA_STORE_ETCD_ENDPOINTS"),
        ("postgres", "KUMA_STORE_POSTGRES_PORT"),
        ("redis", "KUMA_STORE_REDIS_PORT"),
    ],
)
async def test_what_a_start_waits_for_is_said_at_once(engine: str, where: str, tmp_path: Path) -> None:
    with socket.socket() as silent:
        # Takes connections and never says anything: only time can tell that nobody is there.
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        address = f"127.0.0.1:{port}" if engine == "etcd" else str(port)
        replica = Replica(tmp_path / "cp", {"KUMA_STORE_TYPE": engine, where: address})
        try:
            await replica.start(ready=False)

            async def told() -> bool:
                return replica.log.read_text().count("\n") > 1

            await until(told)
            _, second = replica.log.read_text().splitlines()[:2]
            assert "opening the store" in second and f"{engine} at 127.0.0.1:{port}" in second
        finally:
            await replica.close()


@pytest.mark.parametrize("backend", ["etcd"], indirect=True)
async def test_zones_stay_connected_while_the_store_of_the_global_is_away(backend: Backend, tmp_path: Path) -> None:
    flush = {"KUMA_MULTIZONE_GLOBAL_KDS_ZONE_INSIGHT_FLUSH_INTERVAL": "300ms"}
    centre = Replica(tmp_path / "cp", backend.variables, flush)
    address = f"grpc://127.0.0.1:{centre.kds}"
    zone = Replica(
        tmp_path / "zone",
        {"KUMA_STORE_TYPE": "sqlite"},
        {
            "KUMA_MODE": "zone",
            "KUMA_MULTIZONE_ZONE_NAME": "east",
            "KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS": address,
        },
    )
    try:
        await centre.start()
        await zone.start()
        await until_stored(centre, "before")
        before = await until_told(centre, 0)
        await backend.kill()
        assert (await centre.call("PUT", "/meshes/default/meshtimeouts/during", policy("during")))[0] == 503
        await backend.start()
        await until_stored(centre, "after")
        after = await until_told(centre, before["status"]["total"]["responsesSent"])
        assert after["id"] == before["id"], "it is the connection that was there before"
        assert "disconnectTime" not in after
    finally:
        await zone.close()
        await centre.close()


async def until_told(centre: Replica, responses: int) -> dict[str, Any]:
    """The newest subscription of the zone, once more than so many responses are recorded."""
    found: dict[str, Any] = {}

    async def told() -> bool:
        status, overview = await centre.call("GET", "/zones/east/_overview")
        subscriptions = overview.get("zoneInsight", {}).get("subscriptions", ()) if status == 200 else ()
        found.update(subscriptions[-1] if subscriptions else {})
        return int(found.get("status", {}).get("total", {}).get("responsesSent", 0)) > int(responses)

    await until(told)
    return dict(found)


@pytest.mark.parametrize("backend", ["redis"], indirect=True)
async def test_who_is_leaving_is_not_ready(backend: Backend, tmp_path: Path) -> None:
    files = ensure_self_signed(tmp_path, SystemClock())
    zone = Replica(
        tmp_path / "zone",
        backend.variables,
        {
            "KUMA_MODE": "zone",
            "KUMA_DP_SERVER_AUTHN_DP_PROXY_TYPE": "none",
            "KUMA_GENERAL_TLS_CERT_FILE": str(files.cert),
            "KUMA_GENERAL_TLS_KEY_FILE": str(files.key),
        },
    )
    proxy = DeltaProxy("default", "dp-1", dataplane("dp-1", "10.0.0.1", 0, 1))
    following = None
    try:
        await zone.start()
        following = spawn(proxy.run(f"127.0.0.1:{zone.dp}", files.cert.read_bytes()), "proxy")

        async def served() -> bool:
            return proxy.responses > 0

        await until(served)
        # That the proxy has left is to be written, so leaving takes as long as the store does.
        assert isinstance(backend.server, RedisServer)
        backend.server.server.freeze()
        assert zone.process is not None
        zone.process.terminate()

        async def not_ready() -> bool:
            return await zone.answers(503)

        await until(not_ready)
        backend.server.server.thaw()
        assert await zone.process.wait() == 0
    finally:
        if following is not None:
            await cancel_and_wait(following)
        await zone.close()
