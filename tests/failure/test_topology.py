"""The replicated form of `deploy/compose/compose.yaml`, as plain processes: any one instance of anything may die."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import yaml

from tests.failure.balancer import Balancer
from tests.failure.replicas import Replica, policy, until
from tests.servers.etcd import Etcd
from ursa.runtime.config import load

COMPOSE = Path(__file__).parents[2] / "deploy" / "compose" / "compose.yaml"


def services() -> Mapping[str, Mapping[str, str]]:
    """Every control plane of the file with its settings."""
    found = yaml.safe_load(COMPOSE.read_text())["services"]
    return {name: one["environment"] for name, one in found.items() if not name.startswith("etcd")}


@dataclass(frozen=True)
class Topology:
    """Everything that runs."""

    etcd: Etcd
    replicas: Mapping[str, Replica]
    globals_: Balancer

    def of(self, prefix: str) -> list[Replica]:
        return [replica for name, replica in self.replicas.items() if name.startswith(prefix)]


@pytest.fixture
async def topology(tmp_path: Path) -> AsyncIterator[Topology]:
    async with AsyncExitStack() as stack:
        etcd = Etcd(tmp_path, 3)
        stack.push_async_callback(etcd.kill)
        await etcd.start()
        endpoints = {"KUMA_STORE_ETCD_ENDPOINTS": ",".join(etcd.endpoints)}
        replicas = {}
        for name, environment in services().items():
            if name.startswith("global"):
                settings = {**environment, **endpoints, "KUMA_GENERAL_WORK_DIR": str(tmp_path / name)}
                replicas[name] = Replica(tmp_path / name, settings)
        balancer = await stack.enter_async_context(Balancer([replica.kds for replica in replicas.values()]))
        address = {"KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS": f"grpc://127.0.0.1:{balancer.port}"}
        for name, environment in services().items():
            if name not in replicas:
                settings = {**environment, **endpoints, **address, "KUMA_GENERAL_WORK_DIR": str(tmp_path / name)}
                replicas[name] = Replica(tmp_path / name, settings)
        for replica in replicas.values():
            stack.push_async_callback(replica.close)
        for replica in replicas.values():
            await replica.start()
        yield Topology(etcd, replicas, balancer)


async def healthy(replica: Replica, name: str) -> bool:
    """What the file asks to know whether a service is in order."""
    check = yaml.safe_load(COMPOSE.read_text())["services"][name]["healthcheck"]["test"]
    assert check[:2] == ["CMD", "python"]
    command = [sys.executable, *(part.replace(":5680/", f":{replica.diagnostics}/") for part in check[2:])]
    return (await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)).returncode == 0


async def test_a_member_of_etcd_is_asked_for_its_health(tmp_path: Path) -> None:
    etcd = Etcd(tmp_path)
    await etcd.start()
    check = yaml.safe_load(COMPOSE.read_text())["services"]["etcd-1"]["healthcheck"]["test"]
    command = [sys.executable, *check[2:], f"--endpoints={etcd.endpoints[0]}"]
    try:
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: ASYNC221
        await etcd.kill()
        assert subprocess.run(command, capture_output=True, check=False).returncode != 0  # noqa: ASYNC221
    finally:
        await etcd.kill()


def test_every_setting_of_the_file_exists() -> None:
    found = services()
    assert sorted(found) == ["east-1", "east-2", "global-1", "global-2", "west-1", "west-2"]
    for environment in found.values():
        loaded = load(None, environment)
        assert loaded.warnings == ()
        assert loaded.settings.store.type == "etcd"


async def arrives(replica: Replica, name: str) -> bool:
    """Whether a policy of the global is known to an instance of a zone."""
    status, found = await replica.call("GET", "/meshes/default/meshtimeouts")
    return status == 200 and name in {item["labels"].get("kuma.io/display-name") for item in found["items"]}


async def write(replica: Replica, name: str) -> None:
    async def stored() -> bool:
        try:
            status, _ = await replica.call("PUT", f"/meshes/default/meshtimeouts/{name}", policy(name))
        except aiohttp.ClientError:
            return False
        return status in (200, 201)

    await until(stored)


async def until_everywhere(replicas: list[Replica], name: str) -> None:
    for replica in replicas:
        await until(lambda replica=replica: arrives(replica, name))  # type: ignore[misc]


def leads(replica: Replica) -> bool:
    """Whether this process has ever led; the test starts dead ones anew with an empty log."""
    return "this replica leads" in replica.log.read_text()


async def test_any_one_instance_may_die(topology: Topology) -> None:
    one, two = topology.of("global")
    zones = [*topology.of("east"), *topology.of("west")]
    await write(one, "first")
    await until_everywhere(zones, "first")
    for zone in ("east", "west"):
        assert [leads(replica) for replica in topology.of(zone)].count(True) == 1, "one instance runs the singletons"
    assert all(topology.globals_.connections.values()), "streams of zones are spread over the globals"

    # The instance that keeps the stream to the global dies; the other one of its zone takes over.
    (leader,) = (replica for replica in topology.of("east") if leads(replica))
    (follower,) = (replica for replica in topology.of("east") if replica is not leader)
    await leader.stop(signal.SIGKILL)
    await write(two, "second")
    await until_everywhere([follower, *topology.of("west")], "second")
    assert leads(follower)
    await leader.start()
    await until_everywhere([leader], "second")

    # A global dies; zones find the other one.
    assert await healthy(one, "global-1")
    await one.stop(signal.SIGKILL)
    assert not await healthy(one, "global-1")
    await write(two, "third")
    await until_everywhere(zones, "third")

    # A member of etcd dies; nobody notices.
    await topology.etcd.members[0].kill()
    await write(two, "fourth")
    await until_everywhere(zones, "fourth")
    assert all([await replica.ready() for replica in (two, *zones)])
