"""Zone proxies known by names are planned by their addresses, which are looked up again and outlive the resolver."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.unit.kds.lab import Side
from tests.unit.kds.test_membership import ManualClock, settle
from ursa.model.resource import Resource
from zone_cp.addresses import ResolvedView, resolve

TTL = 10.0


class Resolver:
    """Names and addresses as a test wants them; counts questions."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.asked = 0

    async def __call__(self, name: str) -> str:
        self.asked += 1
        if name not in self.known:
            raise OSError("no such name")
        return self.known[name]


class Zone(Side):
    """A zone that looks up names."""

    def __init__(self) -> None:
        super().__init__()
        self.time, self.names = ManualClock(), Resolver()
        self.resolved = ResolvedView(self.live, self.time, ttl=TTL, resolve=self.names)
        self.steps: list[set[str]] = []

    async def start(self) -> None:
        await self.open()
        self.supervisor.start("addresses", self.resolved.run)
        await self.resolved.ready.wait()

    def networking(self, kind: str, name: str, mesh: str = "") -> dict[str, Any] | None:
        found = self.resolved.current.get(kind, mesh, name)
        return None if found is None else found.spec["networking"]


def gate(advertised: str, **more: Any) -> Resource:
    networking = {"address": "10.0.0.1", "port": 1, "advertisedAddress": advertised, "advertisedPort": 2, **more}
    return Resource("ZoneIngress", "", "gate", {"networking": networking})


def egress(address: str) -> Resource:
    return Resource("ZoneEgress", "", "exit", {"networking": {"address": address, "port": 1}})


def web(address: str) -> Resource:
    inbound = {"port": 80, "tags": {"kuma.io/service": "web"}}
    return Resource("Dataplane", "default", "web", {"networking": {"address": address, "inbound": [inbound]}})


@pytest.fixture
async def zone() -> AsyncIterator[Zone]:
    side = Zone()
    yield side
    await side.close()


async def test_without_names_it_is_the_same_view_and_nobody_sleeps(zone: Zone) -> None:
    await zone.start()
    await zone.put(gate("10.0.0.2"), egress("10.0.0.3"), web("goes.as.it.is"))
    await settle()
    assert zone.resolved.current is zone.live.current
    assert (zone.names.asked, zone.time.alarms) == (0, 0)


async def test_a_load_balancer_is_followed_to_another_address(zone: Zone) -> None:
    await zone.start()
    zone.names.known["lb.test"] = "10.9.0.1"
    subscription = zone.resolved.subscribe("test")
    await zone.put(gate("lb.test"))
    await zone.until(lambda: (zone.networking("ZoneIngress", "gate") or {}).get("advertisedAddress") == "10.9.0.1")
    assert zone.live.current.get("ZoneIngress", "", "gate").spec["networking"]["advertisedAddress"] == "lb.test"
    await subscription.next()
    zone.names.known["lb.test"] = "10.9.0.2"
    await zone.time.advance(TTL - 1)
    assert zone.networking("ZoneIngress", "gate")["advertisedAddress"] == "10.9.0.1"
    await zone.time.advance(1)
    assert zone.networking("ZoneIngress", "gate")["advertisedAddress"] == "10.9.0.2"
    (change,) = (await subscription.next()).touched.changes.values()
    addresses = [one.spec["networking"]["advertisedAddress"] for one in (change.before, change.after)]
    assert addresses == ["10.9.0.1", "10.9.0.2"]


async def test_an_address_outlives_the_resolver_and_a_new_name_until_that_is_known(
    zone: Zone, caplog: pytest.LogCaptureFixture
) -> None:
    await zone.start()
    zone.names.known["lb.test"] = "10.9.0.1"
    await zone.put(gate("lb.test"))
    await settle()
    del zone.names.known["lb.test"]
    for _ in range(3):
        await zone.time.advance(TTL)
        assert zone.networking("ZoneIngress", "gate")["advertisedAddress"] == "10.9.0.1"
    assert [one.message for one in caplog.records].count("name of a zone proxy cannot be looked up") == 1
    await zone.put(gate("other.test"))
    await settle()
    assert zone.networking("ZoneIngress", "gate")["advertisedAddress"] == "10.9.0.1"
    zone.names.known["other.test"] = "10.9.0.9"
    await zone.time.advance(TTL)
    assert zone.networking("ZoneIngress", "gate")["advertisedAddress"] == "10.9.0.9"
    await zone.put(gate("10.9.0.5"))
    await settle()
    assert zone.networking("ZoneIngress", "gate")["advertisedAddress"] == "10.9.0.5"
    await zone.time.advance(TTL)  # the last look-up was due before
    before = zone.names.asked
    await zone.time.advance(10 * TTL)
    assert (zone.names.asked, zone.time.alarms) == (before, 0)


async def test_what_has_no_address_yet_is_not_there_but_an_ingress_keeps_its_own_side(zone: Zone) -> None:
    await zone.start()
    await zone.put(egress("exit.test"), gate("lb.test"))
    await settle()
    assert zone.networking("ZoneEgress", "exit") is None
    assert zone.networking("ZoneIngress", "gate") == {"address": "10.0.0.1", "port": 1}
    zone.names.known |= {"exit.test": "10.0.0.7", "lb.test": "10.0.0.8"}
    await zone.time.advance(TTL)
    assert zone.networking("ZoneEgress", "exit") == {"address": "10.0.0.7", "port": 1}
    assert zone.networking("ZoneIngress", "gate")["advertisedAddress"] == "10.0.0.8"
    await zone.delete("ZoneEgress", "", "exit")
    await zone.delete("ZoneIngress", "", "gate")
    await settle()
    assert list(zone.resolved.current.all()) == []


async def test_names_that_are_there_at_the_start_are_known_before_anybody_is_planned(zone: Zone) -> None:
    zone.names.known["lb.test"] = "10.9.0.1"
    await zone.open()
    await zone.put(gate("lb.test"))
    zone.supervisor.start("addresses", zone.resolved.run)
    await zone.resolved.ready.wait()
    assert zone.networking("ZoneIngress", "gate")["advertisedAddress"] == "10.9.0.1"


async def test_the_host_has_a_resolver() -> None:
    assert await resolve("localhost") in ("127.0.0.1", "::1")
    with pytest.raises(OSError):
        await resolve("nowhere.invalid")


async def test_where_an_ingress_of_another_zone_listens_is_not_asked(zone: Zone) -> None:
    await zone.start()
    zone.names.known["lb.test"] = "10.9.0.1"
    far = gate("lb.test", address="private.test").with_labels({"kuma.io/origin": "global"})
    await zone.put(far)
    await settle()
    networking = zone.networking("ZoneIngress", "gate")
    assert (networking["address"], networking["advertisedAddress"]) == ("private.test", "10.9.0.1")
    assert zone.names.asked == 1
