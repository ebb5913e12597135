"""Several instances of a global behind one address: whichever is asked tells of every proxy, and any may be killed."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.failure.balancer import Balancer
from tests.failure.replicas import Answer, Replica, until
from tests.servers.etcd import Etcd
from tests.servers.ports import free_port

pytestmark = pytest.mark.timeout(240)

HOME = "127.0.0.1"
ZONE = "east"
OPEN = {
    "KUMA_DP_SERVER_AUTHN_DP_PROXY_TYPE": "none",
    "KUMA_DP_SERVER_AUTHN_ZONE_PROXY_TYPE": "none",
}
TITLE = "Could not execute admin operation"

PROXIES = {"web": "dataplane", "gate": "ingress", "way-out": "egress"}
"""One of each sort, by name."""

LISTS = {"web": "meshes/default/dataplanes", "gate": "zoneingresses", "way-out": "zoneegresses"}


def document(name: str, host: str) -> Mapping[str, Any]:
    """What a proxy brings along; it has an address of its own, because Envoy's own admin port is at 127.0.0.1."""
    where = {"address": host, "admin": {"port": free_port()}}
    if name == "web":
        inbound = {"port": free_port(), "tags": {"kuma.io/service": "web", "kuma.io/protocol": "http"}}
        return {"type": "Dataplane", "mesh": "default", "name": name, "networking": {**where, "inbound": [inbound]}}
    port = free_port()
    if name == "gate":
        advertised = {"advertisedAddress": host, "advertisedPort": port}
        return {"type": "ZoneIngress", "name": name, "networking": {**where, "port": port, **advertised}}
    return {"type": "ZoneEgress", "name": name, "networking": {**where, "port": port}}


async def start_proxy(port: int, folder: Path, name: str, resource: Mapping[str, Any]) -> asyncio.subprocess.Process:
    folder.mkdir()
    (folder / "resource.json").write_text(json.dumps(resource))
    with (folder / "log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("ursa-dp")),
            *("run", "--proxy-type", PROXIES.get(name, "dataplane"), "--cp-address", f"https://{HOME}:{port}"),
            *("--skip-verify", "--dataplane-file", str(folder / "resource.json"), "--work-dir", str(folder)),
            *("--concurrency", "1", "--drain-time", "1s", "--envoy-log-level", "warning"),
            stdout=log,
            stderr=log,
        )


@dataclass(frozen=True)
class World:
    """Two instances of a global on one store, and two of a zone that reach them at one address."""

    globals_: tuple[Replica, Replica]
    zones: tuple[Replica, Replica]

    async def id_of(self, replica: Replica) -> str:
        _, about = await replica.call("GET", "/")
        return str(about["instanceId"])

    async def holder(self, asked: Replica) -> str:
        """The instance to which the zone is connected, empty when it is to none."""
        status, insight = await asked.call("GET", f"/zones/{ZONE}/_overview")
        subscriptions = insight.get("zoneInsight", {}).get("subscriptions", []) if status == 200 else []
        newest = subscriptions[-1] if subscriptions else {}
        return "" if newest.get("disconnectTime") else str(newest.get("globalInstanceId", ""))

    async def path(self, asked: Replica, name: str) -> str:
        """Where a control plane tells of a proxy, empty while it does not know it."""
        _, found = await asked.call("GET", f"/{LISTS[name]}")
        for item in found.get("items", ()):
            if item.get("labels", {}).get("kuma.io/display-name", item["name"]) == name:
                return f"/{LISTS[name]}/{item['name']}"
        return ""


async def instances(asked: Replica) -> dict[str, bool]:
    """Who is in the catalogue, and whether it leads."""
    _, found = await asked.call("GET", "/replicas")
    return {one["id"]: one["leader"] for one in found["items"]}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        etcd = Etcd(tmp_path)
        stack.push_async_callback(etcd.kill)
        await etcd.start()
        shared = {
            "KUMA_STORE_TYPE": "etcd",
            "KUMA_STORE_ETCD_ENDPOINTS": ",".join(etcd.endpoints),
            "KUMA_INTER_CP_CATALOG_HEARTBEAT_INTERVAL": "500ms",
            "KUMA_INTER_CP_CATALOG_WRITER_INTERVAL": "3s",
        }
        one, two = (Replica(tmp_path / f"global-{n}", shared) for n in (1, 2))
        balancer = await stack.enter_async_context(Balancer([one.kds, two.kds]))
        federated = {
            **shared,
            "KUMA_MODE": "zone",
            "KUMA_MULTIZONE_ZONE_NAME": ZONE,
            "KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS": f"grpc://{HOME}:{balancer.port}",
            "KUMA_STORE_ETCD_PREFIX": f"/{ZONE}",
        }
        east, east_too = (Replica(tmp_path / f"{ZONE}-{n}", federated, OPEN) for n in (1, 2))
        for replica in (one, two, east, east_too):
            stack.push_async_callback(replica.close)
            await replica.start()
        for number, name in enumerate(PROXIES):
            proxy = await start_proxy(east.dp, tmp_path / name, name, document(name, f"127.0.0.{number + 2}"))
            stack.push_async_callback(end, proxy)
        yield World((one, two), (east, east_too))


async def end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.wait()


async def until_answered(asked: Replica, path: str) -> Any:
    """The first answer with status 200; every other one must say why there is none."""
    answers: list[Answer] = []

    async def answered() -> bool:
        answers.append(await asked.call("GET", path))
        status, body = answers[-1]
        assert status in (200, 400), body
        assert status == 200 or (body["title"] == TITLE and body["detail"]), body
        return status == 200

    await until(answered)
    return answers[-1][1]


async def check_everything_known(world: World, asked: Replica) -> None:
    """Every question about every sort of proxy has the answer of that proxy's Envoy."""
    for name in PROXIES:
        path = await world.path(asked, name)
        dump = await until_answered(asked, f"{path}/xds?include_eds=true")
        sorts = {one["@type"].rpartition(".")[2] for one in dump["configs"]}
        assert {"BootstrapConfigDump", "ClustersConfigDump", "ListenersConfigDump", "EndpointsConfigDump"} <= sorts
        without = await until_answered(asked, f"{path}/xds")
        assert "EndpointsConfigDump" not in {one["@type"].rpartition(".")[2] for one in without["configs"]}
        (bootstrap,) = (one["bootstrap"] for one in dump["configs"] if "bootstrap" in one)
        assert bootstrap["node"]["id"].endswith(name)
        assert "server.live: 1" in await until_answered(asked, f"{path}/stats")
        assert "::added_via_api::" in await until_answered(asked, f"{path}/clusters")
        assert (await until_answered(asked, f"{path}/clusters?format=json"))["cluster_statuses"]


async def until_listed(asked: Replica, wanted: Mapping[str, bool]) -> None:
    async def listed() -> bool:
        return await instances(asked) == wanted

    await until(listed)


async def until_held_by(world: World, asked: Replica, instance: str) -> None:
    async def held() -> bool:
        return await world.holder(asked) == instance

    await until(held)


async def test_any_instance_tells_of_every_proxy_and_may_be_killed(world: World) -> None:
    names = {await world.id_of(replica): replica for replica in world.globals_}
    for replica in world.globals_:
        for name in PROXIES:
            await until(lambda replica=replica, name=name: known(world, replica, name))  # type: ignore[misc]
    holder_id = await world.holder(world.globals_[0])
    (other_id,) = names.keys() - {holder_id}
    holder, other = names[holder_id], names[other_id]
    for replica in world.globals_:
        assert sorted(await instances(replica)) == sorted(names)
    await check_everything_known(world, holder)
    await check_everything_known(world, other)
    # Instances of a zone reach its proxies themselves, also those that are connected to another one.
    for replica in world.zones:
        await check_everything_known(world, replica)
        assert set(await instances(replica)) == {await world.id_of(one) for one in world.zones}

    # The instance that holds the zone's streams dies: the zone turns to the other one, which leads from now on.
    await holder.stop(signal.SIGKILL)
    await until_answered(other, f"{await world.path(other, 'web')}/xds")
    await until_held_by(world, other, other_id)
    await check_everything_known(world, other)
    await until_listed(other, {other_id: True})

    # It comes back under another name at the same address, and asks the one that holds the zone now.
    await holder.start()
    again_id = await world.id_of(holder)
    assert again_id not in names
    await until_listed(holder, {other_id: True, again_id: False})
    await check_everything_known(world, holder)
    assert await world.holder(holder) == other_id

    # Nobody is left who could answer: zone and holder die together, and whoever is asked says so.
    web = await world.path(holder, "web")
    for replica in (*world.zones, other):
        await replica.stop(signal.SIGKILL)
    details: list[str] = []

    async def given_up() -> bool:
        status, body = await holder.call("GET", f"{web}/xds")
        assert status == 400
        details.append(body["detail"])
        return details[-1] == "couldn't execute XDS Config Dump operation, zone is offline"

    await until(given_up)
    lost = (
        f"replica {other_id} cannot be asked: ",
        f"couldn't execute XDS Config Dump operation, zone {ZONE} is connected to replica {other_id}, which is not ",
    )
    assert all(detail.startswith(lost) for detail in details[:-1]), details
    await until_listed(holder, {again_id: True})


async def known(world: World, asked: Replica, name: str) -> bool:
    return bool(await world.path(asked, name))
