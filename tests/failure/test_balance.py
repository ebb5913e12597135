"""Streams spread evenly again after an instance died and came back, and nobody is told anything that it knew."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from bench import fake_proxies
from bench.fake_proxies import DeltaProxy, FakeProxy, SotwProxy, dataplane
from tests.failure.balancer import Balancer
from tests.failure.replicas import Replica, policy, until
from tests.failure.test_lost_replica import end, start_proxy
from tests.failure.test_replicas import has_mesh
from tests.servers.etcd import Etcd
from tests.servers.ports import free_port
from tests.unit.kds.lab import Zone
from ursa.model.resource import ResourceKey
from ursa.runtime.clock import SystemClock
from ursa.runtime.tasks import cancel_and_wait, spawn
from ursa.runtime.tls import ensure_self_signed

PROXIES, SERVICES, ZONES, ENVOYS = 30, 3, 8, 4

pytestmark = pytest.mark.timeout(240)
SOON = {
    "KUMA_INTER_CP_CATALOG_HEARTBEAT_INTERVAL": "300ms",
    "KUMA_INTER_CP_CATALOG_WRITER_INTERVAL": "2s",
    "KUMA_INTER_CP_LEASE_LEADER": "3s",
    "KUMA_INTER_CP_LEASE_PRESENCE": "3s",
    "URSA_INTER_CP_BALANCE_DELAY": "5s",
    "URSA_INTER_CP_BALANCE_INTERVAL": "1s",
    "URSA_INTER_CP_BALANCE_STEP_PERCENT": "20",
}
MESH = {
    "type": "Mesh",
    "name": "default",
    "mtls": {"enabledBackend": "ca-1", "backends": [{"name": "ca-1", "type": "builtin"}]},
}


@dataclass(frozen=True)
class Pair:
    """Two instances that share a store, and one address for both."""

    replicas: tuple[Replica, Replica]
    balancer: Balancer
    certificate: bytes

    async def streams(self) -> list[int]:
        """How many each instance serves, as it says itself; 0 when it does not answer."""
        counts = []
        for replica in self.replicas:
            alive = replica.process is not None and replica.process.returncode is None
            counts.append(int(await replica.figure("ursa_streams_served")) if alive else 0)
        return counts

    async def until_served(self, total: int, most: int) -> None:
        """Waits until all are served, and no instance has more than this."""

        async def even() -> bool:
            counts = await self.streams()
            return sum(counts) == total and max(counts) <= most

        await until(even)

    async def moved(self) -> int:
        """How many streams both let go for the other."""
        return sum([int(await replica.figure("ursa_streams_moved_total")) for replica in self.replicas])


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def pair(stack: AsyncExitStack, folder: Path, ports: str, settings: Mapping[str, str]) -> Pair:
    """Args: ports: which of an instance's ports the address leads to."""
    etcd = Etcd(folder)
    stack.push_async_callback(etcd.kill)
    await etcd.start()
    files = ensure_self_signed(folder, SystemClock())
    shared = {
        "KUMA_STORE_TYPE": "etcd",
        "KUMA_STORE_ETCD_ENDPOINTS": ",".join(etcd.endpoints),
        "KUMA_GENERAL_TLS_CERT_FILE": str(files.cert),
        "KUMA_GENERAL_TLS_KEY_FILE": str(files.key),
    }
    balancer = await stack.enter_async_context(Balancer())
    # What proxies are told to connect to.
    address = {"KUMA_BOOTSTRAP_SERVER_PARAMS_XDS_PORT": str(balancer.port)}
    one, two = (Replica(folder / f"cp-{n}", shared, {**SOON, **address, **settings}) for n in (1, 2))
    for replica in (one, two):
        balancer.add(getattr(replica, ports))
        stack.push_async_callback(replica.close)
        await replica.start()
    return Pair((one, two), balancer, files.cert.read_bytes())


def fleet() -> list[FakeProxy]:
    """Proxies of both variants of the protocol."""
    return [
        (DeltaProxy if n % 2 else SotwProxy)(
            "default", f"dp-{n}", dataplane(f"dp-{n}", f"10.0.0.{n + 1}", n % SERVICES, SERVICES)
        )
        for n in range(PROXIES)
    ]


async def until_complete(proxies: Sequence[FakeProxy]) -> None:
    async def complete() -> bool:
        return all(proxy.complete(SERVICES) for proxy in proxies)

    await until(complete)


async def until_quiet(proxies: Sequence[FakeProxy], seconds: float = 5) -> int:
    """Responses so far, once none has come for a while."""
    counts = [0, sum(proxy.responses for proxy in proxies)]
    while counts[-2] != counts[-1]:
        await asyncio.sleep(seconds)
        counts.append(sum(proxy.responses for proxy in proxies))
    return counts[-1]


async def registered(replica: Replica) -> list[str]:
    _, found = await replica.call("GET", "/meshes/default/dataplanes?size=1000")
    return sorted(item["name"] for item in found["items"])


async def test_proxies_spread_again_and_get_nothing(
    tmp_path: Path, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Envoy waits ever longer where it gets nothing from who serves it, up to half a minute.
    monkeypatch.setattr(fake_proxies, "BACKOFF", (0.5, 2.0))
    settings = {
        "KUMA_MODE": "zone",
        "KUMA_DP_SERVER_AUTHN_DP_PROXY_TYPE": "none",
        # So short that a proxy that moved would be deleted by the instance it left, were it not known where it is.
        "KUMA_XDS_DATAPLANE_DEREGISTRATION_DELAY": "3s",
    }
    both = await pair(stack, tmp_path, "dp", settings)
    one, two = both.replicas
    assert (await one.call("PUT", "/meshes/default", MESH))[0] in (200, 201)
    proxies = fleet()
    tasks = [spawn(p.run(f"127.0.0.1:{both.balancer.port}", both.certificate), p.name) for p in proxies]
    stack.push_async_callback(cancel_and_wait, *tasks)
    await until_complete(proxies)
    await both.until_served(PROXIES, PROXIES // 2 + 2)
    responses = await until_quiet(proxies)
    names = await registered(one)
    assert len(names) == PROXIES

    await two.stop(signal.SIGKILL)
    await both.until_served(PROXIES, PROXIES)
    assert await both.streams() == [PROXIES, 0]
    await two.start()
    failures = {proxy.name: proxy.failures for proxy in proxies}
    await both.until_served(PROXIES, PROXIES // 2 + 1)
    # Long enough for more rounds, and for deregistration of who moved.
    assert await until_quiet(proxies) == responses, "nobody was told anything"
    await both.until_served(PROXIES, PROXIES // 2 + 1)
    moves = [proxy.failures - failures[proxy.name] for proxy in proxies]
    assert await both.moved() >= PROXIES // 2 - 1
    assert max(moves) <= 2, "nobody goes back and forth"
    for replica in both.replicas:
        assert await registered(replica) == names

    # What they are told from now on, all of them hear once.
    before = [proxy.responses for proxy in proxies]
    assert (await two.call("PUT", "/meshes/default/meshtimeouts/t", policy("t", "9s")))[0] in (200, 201)

    async def all_told() -> bool:
        return all(proxy.responses > told for proxy, told in zip(proxies, before, strict=True))

    await until(all_told)


async def test_real_proxies_move_without_noticing(tmp_path: Path, stack: AsyncExitStack) -> None:
    settings = {"KUMA_MODE": "zone", "KUMA_DP_SERVER_AUTHN_DP_PROXY_TYPE": "none"}
    both = await pair(stack, tmp_path, "dp", settings)
    one, two = both.replicas
    await until(lambda: has_mesh(one))
    admins = [free_port() for _ in range(ENVOYS)]
    for number, admin in enumerate(admins):
        name = f"web-{number}"
        resource = dataplane(name, f"127.0.0.{number + 2}", 0, 0)
        resource["networking"] = {**resource["networking"], "admin": {"port": admin}}  # type: ignore[dict-item]
        stack.push_async_callback(end, await start_proxy(both.balancer.port, tmp_path / name, name, resource))
    await both.until_served(ENVOYS, ENVOYS)
    await asyncio.sleep(3)
    before = [await updates(admin) for admin in admins]
    assert all(before)
    await two.stop(signal.SIGKILL)
    await both.until_served(ENVOYS, ENVOYS)
    await two.start()
    await both.until_served(ENVOYS, ENVOYS // 2)
    await asyncio.sleep(3)
    assert await both.streams() == [ENVOYS // 2, ENVOYS // 2]
    assert [await updates(admin) for admin in admins] == before, "no Envoy was told anything"


async def updates(admin: int) -> dict[str, int]:
    """How many updates of each sort an Envoy has taken, and how many it has refused."""
    async with (
        aiohttp.ClientSession(raise_for_status=True) as session,
        session.get(f"http://127.0.0.1:{admin}/stats?filter=(cds|lds).update_(success|rejected)&format=json") as answer,
    ):
        found = await answer.json()
    return {one["name"]: one["value"] for one in found["stats"] if "name" in one}


async def test_zones_spread_again_and_get_nothing(tmp_path: Path, stack: AsyncExitStack) -> None:
    both = await pair(stack, tmp_path, "kds", {"KUMA_MULTIZONE_GLOBAL_KDS_ZONE_INSIGHT_FLUSH_INTERVAL": "500ms"})
    one, two = both.replicas

    await until(lambda: has_mesh(one))
    assert (await one.call("PUT", "/meshes/default/meshtimeouts/t", policy("t")))[0] in (200, 201)
    zones = [Zone(f"zone-{n}", both.balancer.port) for n in range(ZONES)]
    for zone in zones:
        stack.push_async_callback(zone.close)
        await zone.open()
    for zone in zones:
        await zone.until(lambda zone=zone: zone.named("MeshTimeout", "t"))  # type: ignore[misc]
    await both.until_served(ZONES, ZONES // 2 + 1)
    held = [versions(zone) for zone in zones]

    await two.stop(signal.SIGKILL)
    await both.until_served(ZONES, ZONES)
    await two.start()
    await both.until_served(ZONES, ZONES // 2)
    moved = await both.moved()
    await asyncio.sleep(5)
    assert await both.streams() == [ZONES // 2, ZONES // 2]
    assert await both.moved() == moved, "it is over"
    assert [versions(zone) for zone in zones] == held, "nobody was told anything"

    assert (await two.call("PUT", "/meshes/default/meshtimeouts/u", policy("u")))[0] in (200, 201)
    for zone in zones:
        await zone.until(lambda zone=zone: zone.named("MeshTimeout", "u"))  # type: ignore[misc]


def versions(zone: Zone) -> dict[ResourceKey, int]:
    """What a zone has from its global."""
    return {one.key: one.version for one in zone.live.current.all() if one.kind not in ("ZoneInsight", "Zone")}
