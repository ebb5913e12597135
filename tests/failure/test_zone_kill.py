"""A zone's control plane that goes away costs no request, and comes back to proxies that need nothing from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deploy.demo.configuration import Configuration, configurations, differences
from deploy.demo.layout import WEB
from deploy.demo.traffic import Traffic
from deploy.demo.waiting import until
from deploy.demo.watch import Watch
from tests.e2e.lab import OUTBOUNDS, SPARE, Lab
from ursa.runtime.tasks import cancel_and_wait, spawn

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

PATIENCE = 60.0
QUIET = 3.0
"""Seconds after the last reconnect in which a late push would arrive."""

NAME = "redirected"


@pytest_asyncio.fixture(loop_scope="session")
async def redirected(lab: Lab) -> AsyncIterator[int]:
    """A proxy that reaches everything at virtual addresses; yields its admin port."""
    document = lab.client(NAME, SPARE)
    document["networking"].pop("outbound")
    document["networking"]["transparentProxying"] = {
        "redirectPortInbound": lab.east.base + 90,
        "redirectPortOutbound": lab.east.base + 91,
    }
    token = await lab.deployment.token(NAME, "dataplane-token")
    await lab.deployment.start_proxy(lab.east, document, "dataplane", token)
    await lab.deployment.until_ready(lab.east, NAME, SPARE)
    yield lab.east.admin_port(SPARE)
    await lab.processes.stop(NAME)


@pytest.mark.parametrize("crash", [True, False], ids=["killed", "asked to end"])
async def test_a_zone_goes_and_comes_back_unnoticed(lab: Lab, redirected: int, *, crash: bool) -> None:
    admin_ports = {name: zone.admin_port(host) for name, (zone, host) in lab.proxies.items()} | {NAME: redirected}
    watch = Watch(lab.layout)
    here = sum(zone is lab.east for zone, _ in lab.proxies.values()) + 1
    traffic = Traffic(f"http://{lab.east.address(WEB)}:{OUTBOUNDS['backend']}/")
    requests = spawn(traffic.run(), "traffic")
    try:
        await traffic.settled("east", PATIENCE)
        before = await _settled_configurations(admin_ports)
        assert _virtual_addresses(before[NAME]), "without virtual addresses there is nothing to compare"
        if crash:
            await lab.processes.kill(lab.east.name)
        else:
            assert await lab.processes.stop(lab.east.name) == 0
        await traffic.settled("east", PATIENCE)
        await lab.deployment.start_zone(lab.east)

        async def all_back() -> bool:
            await watch.look()
            return watch.settled and watch.zones["east"].proxies == here

        await until("all proxies are connected again", all_back, PATIENCE)
        await asyncio.sleep(QUIET)
        assert differences(before, await configurations(admin_ports)) == []
        await traffic.settled("east", PATIENCE)
        assert (traffic.errors, traffic.reasons) == (0, {})
    finally:
        await cancel_and_wait(requests)


async def _settled_configurations(admin_ports: dict[str, int]) -> dict[str, Configuration]:
    """Configurations that did not change for a while."""
    while True:
        before = await configurations(admin_ports)
        await asyncio.sleep(QUIET)
        if not differences(before, await configurations(admin_ports)):
            return before


def _virtual_addresses(parts: Configuration) -> list[str]:
    return [part for part in parts if "dynamic_listeners outbound:240." in part]
