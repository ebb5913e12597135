"""`ursa-dp run` and its Envoy live and die together, and leave the mesh before they stop serving."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from deploy.demo.waiting import fetch, until
from tests.e2e.lab import SPARE, Lab

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

NAME = "leaver"
PATIENCE = 60.0
LONG = "600s"
"""A drain time that nobody waits for."""


class Leaver:
    """A proxy that a test may end as it likes."""

    def __init__(self, lab: Lab, work_dir: Path) -> None:
        self._lab, self.processes = lab, lab.processes
        self._socket = work_dir / "kuma-readiness-reporter.sock"
        self.admin = f"http://127.0.0.1:{lab.east.admin_port(SPARE)}"

    async def start(self, token: Path, *options: str) -> None:
        document = self._lab.client(NAME, SPARE)
        await self._lab.deployment.start_proxy(self._lab.east, document, "dataplane", token, *options)
        await self._lab.deployment.until_ready(self._lab.east, NAME, SPARE)

    @property
    def envoy(self) -> int:
        """Process id of its Envoy."""
        launcher = self.processes.pid(NAME)
        (child,) = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
        return int(child)

    async def says(self) -> str:
        """What it tells orchestrators, over its socket and through Envoy, which must agree."""
        connector = aiohttp.UnixConnector(str(self._socket))
        async with aiohttp.ClientSession(connector=connector) as session, session.get("http://ursa-dp/ready") as answer:
            direct = f"{answer.status} {await answer.text()}"
        host = self._lab.east.address(SPARE)
        url = f"http://{host}:{self._lab.east.admin_port(SPARE)}/ready"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert f"{answer.status} {await answer.text()}" == direct
        return direct

    async def envoy_state(self) -> str:
        return str(json.loads(await fetch(f"{self.admin}/server_info") or b"{}").get("state"))

    async def resource(self) -> dict | None:
        return await self._lab.zone_resource(self._lab.east, f"meshes/default/dataplanes/{NAME}")


@pytest_asyncio.fixture(loop_scope="session")
async def leaver(lab: Lab) -> AsyncIterator[Leaver]:
    """A running proxy that drains for a very long time unless its test says otherwise."""
    token = await lab.deployment.token(NAME, "dataplane-token", "--name", NAME)
    proxy = Leaver(lab, lab.processes.logs / NAME)
    await proxy.start(token, "--drain-time", LONG)
    yield proxy
    if NAME in lab.processes:
        await lab.processes.kill(NAME)


async def test_the_launcher_ends_when_its_envoy_is_killed(leaver: Leaver) -> None:
    os.kill(leaver.envoy, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE):
        assert await leaver.processes.ended(NAME) == 1


async def test_envoy_ends_when_its_launcher_is_killed(leaver: Leaver) -> None:
    envoy = leaver.envoy
    await leaver.processes.kill(NAME)
    await until("envoy ends", lambda: _gone(envoy), PATIENCE)


async def test_a_proxy_leaves_the_mesh_before_it_stops(leaver: Leaver) -> None:
    assert (await leaver.says(), await leaver.envoy_state()) == ("200 READY", "LIVE")
    leaver.processes.send(NAME, signal.SIGTERM)
    await until("callers are told", lambda: _not_ready(leaver), PATIENCE)
    assert (await leaver.says(), await leaver.envoy_state()) == ("503 TERMINATING", "DRAINING")
    leaver.processes.send(NAME, signal.SIGTERM)  # whoever is in a hurry asks twice
    async with asyncio.timeout(PATIENCE):
        assert await leaver.processes.ended(NAME) == 0
    await until("its resource is deleted", lambda: _deleted(leaver), PATIENCE)


async def test_a_proxy_that_was_drained_beforehand_stops_at_once(leaver: Leaver) -> None:
    leaver.processes.send(NAME, signal.SIGUSR2)
    await until("envoy drains", lambda: _drains(leaver), PATIENCE)
    assert await leaver.says() == "200 READY"
    leaver.processes.send(NAME, signal.SIGTERM)
    async with asyncio.timeout(PATIENCE):
        assert await leaver.processes.ended(NAME) == 0


async def _gone(process: int) -> bool:
    return not Path(f"/proc/{process}").exists()


async def _not_ready(leaver: Leaver) -> bool:
    resource = await leaver.resource()
    assert resource is not None, "the resource outlives the draining"
    return all(inbound.get("state") == "NotReady" for inbound in resource["networking"]["inbound"])


async def _deleted(leaver: Leaver) -> bool:
    return await leaver.resource() is None


async def _drains(leaver: Leaver) -> bool:
    return b"draining until told" in leaver.processes.log(NAME).read_bytes()
