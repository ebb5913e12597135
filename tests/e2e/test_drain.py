"""A zone that is drained loses the requests of another one gradually and without a failed one, and gets them back."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import orjson
import pytest

from deploy.demo import manifests
from deploy.demo.deployment import GLOBAL, Deployment
from deploy.demo.layout import BACKEND, INGRESS, OUTBOUND, OUTBOUND_PORT, WEB, Layout, Zone
from deploy.demo.processes import Processes
from deploy.demo.traffic import Traffic
from deploy.demo.waiting import fetch, until
from tests.e2e.lab import free_layout
from ursa.runtime.tasks import cancel_and_wait, spawn

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

PATIENCE = 60.0
ENOUGH = 30
"""Requests by which a share can be judged, and how far it may be off."""
TOLERANCE = 0.2

Weights = dict[str, int]


class Client:
    """The caller in the south: what it sends, and which weights its Envoy has for the zones it sends to."""

    def __init__(self, places: Layout) -> None:
        self.zone = places.zones[2]
        self.traffic = Traffic(f"http://{self.zone.address(OUTBOUND)}:{OUTBOUND_PORT}/")
        self.seen: list[tuple[float, Weights]] = []
        self._zones = {zone.address(INGRESS): zone.name for zone in places.zones}

    async def weights(self) -> Weights:
        """The weights of now, by zone."""
        body = await fetch(f"http://127.0.0.1:{self.zone.admin_port(WEB)}/clusters?format=json")
        clusters = orjson.loads(body or b"{}").get("cluster_statuses", ())
        return {
            self._zones[host["address"]["socket_address"]["address"]]: host["weight"]
            for cluster in clusters
            if cluster["name"] == "backend"
            for host in cluster.get("host_statuses", ())
        }

    async def watch(self) -> None:
        """Notes every change of the weights."""
        while True:
            await self.note()
            await asyncio.sleep(0.1)

    async def note(self) -> None:
        """Notes the weights of now, if they are others."""
        now = await self.weights()
        if not self.seen or self.seen[-1][1] != now:
            self.seen.append((time.monotonic(), now))

    async def stat(self, name: str) -> int:
        """A counter of the cluster."""
        body = await fetch(f"http://127.0.0.1:{self.zone.admin_port(WEB)}/stats?format=json&filter={name}$")
        return sum(int(one["value"]) for one in orjson.loads(body or b"")["stats"])

    def shares(self) -> Iterator[tuple[float, float]]:
        """The share that the east should have had of the requests between two changes, and the one it had."""
        for (begin, weights), (end, _) in pairwise([*self.seen, (time.monotonic(), {})]):
            # Right after a change requests of before it are still being answered.
            answers = [zone for moment, zone in self.traffic.latest if begin + 0.3 <= moment < end]
            if len(answers) >= ENOUGH:
                yield weights.get("east", 0) / sum(weights.values()), answers.count("east") / len(answers)


@asynccontextmanager
async def three_zones(folder: Path) -> AsyncIterator[tuple[Deployment, Client]]:
    """The same service in the east and in the west, and a caller in the south."""
    processes = Processes(folder)
    places = free_layout(("east", "west", "south"))
    deployment = Deployment(places, folder, processes, lambda _: None)
    try:
        await deployment.start_global()
        await deployment.add_context(GLOBAL, places.centre.api_port)
        await deployment.apply(manifests.mesh())
        await asyncio.gather(*map(deployment.start_zone, places.zones))
        token = await deployment.token("dataplanes", "dataplane-token")
        *servers, south = places.zones
        for zone in servers:
            await _serve(deployment, zone, token)
        await deployment.start_proxy(south, manifests.web(south), "dataplane", token)
        await deployment.until_ready(south, f"web-{south.name}", WEB)
        client = Client(places)
        await deployment.until(f"web-{south.name}", "the caller knows both zones", lambda: _knows(client))
        yield deployment, client
    finally:
        await processes.stop_all()


async def _serve(deployment: Deployment, zone: Zone, token: Path) -> None:
    await deployment.start_workload("backend", zone)
    edge = await deployment.token(f"edge-{zone.name}", "zone-token", "--zone", zone.name)
    ingress = manifests.ingress(zone)
    if zone.name == "west":
        # As load balancers often are, it is known by a name: a number that resolvers know without asking anybody.
        number = int(ipaddress.ip_address(zone.address(INGRESS)))
        ingress["networking"]["advertisedAddress"] = hex(number)
    await deployment.start_proxy(zone, ingress, "ingress", edge)
    await deployment.start_proxy(zone, manifests.backend(zone), "dataplane", token)
    for name, host in ((f"ingress-{zone.name}", INGRESS), (f"backend-{zone.name}", BACKEND)):
        await deployment.until_ready(zone, name, host)


async def _knows(client: Client) -> bool:
    return await client.weights() == {"east": 1, "west": 1}


async def test_requests_move_in_steps_and_none_fails_though_the_global_dies_meanwhile(tmp_path: Path) -> None:
    async with three_zones(tmp_path) as (deployment, client):
        running = [spawn(client.traffic.run(), "traffic"), spawn(client.watch(), "weights")]
        try:
            await until("both zones answer", lambda: _both(client), PATIENCE)
            client.traffic.errors = 0  # what failed while the mesh came up does not count
            retried = await client.stat("cluster.backend.upstream_rq_retry")
            said = await _ursactl(deployment, "zone", "drain", "east", "--over", "15s")
            assert "zone east drains over 15s in 15 steps" in said
            await until("the east has lost something", lambda: _east(client, 80), PATIENCE)
            assert "Draining" in await _ursactl(deployment, "inspect", "zones")
            await deployment.kill_global()
            await asyncio.sleep(2)
            await deployment.start_global()
            await until("the east has lost everything", lambda: _east(client, 0), PATIENCE)
            await client.traffic.settled("west", PATIENCE, run=2 * ENOUGH)
            assert "drained" in await _ursactl(deployment, "zone", "progress", "east")
            await _ursactl(deployment, "zone", "undrain", "east", "--over", "4s")
            await until("the east has everything back", lambda: _knows(client), PATIENCE)
            await until("the east answers again", lambda: _even(client), PATIENCE)
            assert (client.traffic.errors, client.traffic.reasons) == (0, {})
            assert await client.stat("cluster.backend.upstream_rq_retry") == retried
        finally:
            await cancel_and_wait(*running)
        await client.note()
        _check_steps([weights.get("east", 0) for _, weights in client.seen])
        judged = list(client.shares())
        assert len(judged) > 2
        assert all(abs(expected - found) < TOLERANCE for expected, found in judged), judged


def _check_steps(east: list[int]) -> None:
    """Down from everything to nothing and up again; 1 is everything where nobody is drained."""
    there, back = east[: east.index(0) + 1], east[east.index(0) :]
    assert (there[0], back[-1]) == (1, 1)
    assert there[1:] == sorted(there[1:], reverse=True) and len(there) > 4
    assert back[:-1] == sorted(back[:-1]) and len(back) > 2


async def _both(client: Client) -> bool:
    return min(client.traffic.by_zone["east"], client.traffic.by_zone["west"]) >= ENOUGH


async def _east(client: Client, most: int) -> bool:
    weights = await client.weights()
    return weights.get("east", 0) <= most and weights.get("west", 0) > 0 and weights != {"east": 1, "west": 1}


async def _even(client: Client) -> bool:
    answers = [zone for _, zone in list(client.traffic.latest)[-2 * ENOUGH :]]
    return abs(answers.count("east") / len(answers) - 0.5) < TOLERANCE


async def _ursactl(deployment: Deployment, *arguments: str) -> str:
    return await deployment.processes.run("ursactl", *deployment.ursactl, *arguments)
