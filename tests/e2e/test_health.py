"""A workload that dies loses its traffic to the next zone, and gets it back when it returns."""

from __future__ import annotations

import pytest

from deploy.demo import manifests
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


async def test_zones_help_out_in_the_order_a_strategy_gives_and_no_others_do(lab: Lab) -> None:
    workload = lab.workloads["backend", "east"]
    try:
        await workload.stop()
        try:
            await lab.put(_failover("north"))
            await until("the zone notices", lambda: _is_ready(lab, "backend", False), PATIENCE)
            await until("nobody answers", lambda: _answers(lab, ""), PATIENCE)
            assert {(await lab.get("backend")).zone for _ in range(5)} == {""}, "the west is in no rule"
            await lab.put(_failover("north", "west"))
            await until("the west answers", lambda: _answers(lab, "west"), PATIENCE)
            assert {(await lab.get("backend")).zone for _ in range(5)} == {"west"}
        finally:
            await workload.start()
        await until("the zone notices again", lambda: _is_ready(lab, "backend", True), PATIENCE)
        await until("the east answers", lambda: _answers(lab, "east"), PATIENCE)
        assert {(await lab.get("backend")).zone for _ in range(5)} == {"east"}
    finally:
        await lab.delete(_failover())
    await until("the east answers as before", lambda: _answers(lab, "east"), PATIENCE)


def _failover(*zones: str) -> manifests.Document:
    """A strategy for callers of `backend` in the east; each zone comes after the one before."""
    rules = [{"from": {"zones": ["east"]}, "to": {"type": "Only", "zones": [zone]}} for zone in zones]
    conf = {"localityAwareness": {"crossZone": {"failover": rules}}, "loadBalancer": {"type": "LeastRequest"}}
    item = {"targetRef": {"kind": "MeshService", "name": "backend"}, "default": conf}
    spec = {"targetRef": {"kind": "Mesh"}, "to": [item]}
    return {"type": "MeshLoadBalancingStrategy", "mesh": "default", "name": "helpers", "spec": spec}


async def _answers(lab: Lab, zone: str) -> bool:
    return (await lab.get("backend")).zone == zone


async def _is_ready(lab: Lab, service: str, expected: bool) -> bool:
    """Whether the zone holds the inbound of a service for ready, or not, as expected."""
    dataplane = await lab.zone_resource(lab.east, "meshes/default/dataplanes/backend-east")
    assert dataplane is not None
    (inbound,) = (i for i in dataplane["networking"]["inbound"] if i["port"] == PORTS[service])
    return (inbound.get("state", "Ready") == "Ready") is expected


async def _says(lab: Lab, expected: bytes) -> bool:
    return await lab.say(b"hello") == expected
