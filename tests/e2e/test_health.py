"""A workload that dies loses its traffic to the next zone, and gets it back when it returns."""

from __future__ import annotations

import pytest

from deploy.demo.layout import WEB
from deploy.demo.traffic import Traffic
from deploy.demo.waiting import until
from tests.e2e.lab import OUTBOUNDS, PORTS, Lab
from ursa.runtime.tasks import cancel_and_wait, spawn

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

PATIENCE = 60.0


async def test_http_moves_to_the_other_zone_and_comes_home_without_a_failed_request(lab: Lab) -> None:
    workload = lab.workloads["backend", "east"]
    traffic = Traffic(f"http://{lab.east.address(WEB)}:{OUTBOUNDS['backend']}/")
    requests = spawn(traffic.run(), "traffic")
    try:
        await traffic.settled("east", PATIENCE)
        assert traffic.by_zone["west"] == 0, "as long as its own zone answers, no request leaves it"
        await workload.stop()
        try:
            await traffic.settled("west", PATIENCE)
            await until("the zone notices", lambda: _is_ready(lab, "backend", False), PATIENCE)
            assert await _is_ready(lab, "echo", True), "other inbounds of the proxy are not concerned"
            await traffic.settled("west", PATIENCE)
        finally:
            await workload.start()
        await traffic.settled("east", PATIENCE)
        assert await _is_ready(lab, "backend", True)
        assert (traffic.errors, traffic.reasons) == (0, {})
    finally:
        await cancel_and_wait(requests)


async def test_tcp_moves_to_the_other_zone_and_comes_home(lab: Lab) -> None:
    workload = lab.workloads["echo", "east"]
    await workload.stop()
    try:
        await until("west answers", lambda: _says(lab, b"west:hello"), PATIENCE)
        await until("the zone notices", lambda: _is_ready(lab, "echo", False), PATIENCE)
    finally:
        await workload.start()
    await until("east answers", lambda: _says(lab, b"east:hello"), PATIENCE)


async def _is_ready(lab: Lab, service: str, expected: bool) -> bool:
    """Whether the zone holds the inbound of a service for ready, or not, as expected."""
    dataplane = await lab.zone_resource(lab.east, "meshes/default/dataplanes/backend-east")
    assert dataplane is not None
    (inbound,) = (i for i in dataplane["networking"]["inbound"] if i["port"] == PORTS[service])
    return (inbound.get("state", "Ready") == "Ready") is expected


async def _says(lab: Lab, expected: bytes) -> bool:
    return await lab.say(b"hello") == expected
