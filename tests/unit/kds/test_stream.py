"""A global and zones over real gRPC: what is written on one side arrives on the other, and nothing else happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kds.admin_calls import CLUSTERS, CONFIG, STATS, AdminQuery
from tests.unit.kds.lab import Global, Side, Zone
from ursa.errors import BadRequest, Unavailable
from ursa.model.resource import Resource, ResourceKey

TIMEOUT_SPEC = {
    "targetRef": {"kind": "Mesh"},
    "to": [{"targetRef": {"kind": "Mesh"}, "default": {"connectionTimeout": "5s"}}],
}
DATAPLANE_SPEC = {
    "networking": {
        "address": "10.0.0.1",
        "inbound": [{"port": 80, "tags": {"kuma.io/service": "web", "kuma.io/zone": "elsewhere"}}],
    }
}


def timeout(name: str, seconds: int = 5) -> Resource:
    to = [{"targetRef": {"kind": "Mesh"}, "default": {"connectionTimeout": f"{seconds}s"}}]
    return Resource("MeshTimeout", "default", name, {"targetRef": {"kind": "Mesh"}, "to": to})


@asynccontextmanager
async def running(*sides: Side) -> AsyncIterator[None]:
    try:
        for side in sides:
            await side.open()
        yield
    finally:
        for side in reversed(sides):
            await side.close()


@pytest.fixture
async def centre() -> AsyncIterator[Global]:
    side = Global()
    async with running(side):
        await side.put(Resource("Mesh", "", "default"))
        yield side


async def test_policies_go_down_and_follow_every_change(centre: Global) -> None:
    zone = Zone("zone-1", centre.port)
    await centre.put(timeout("a"))
    async with running(zone):
        first = await zone.until(lambda: zone.named("MeshTimeout", "a"))
        assert first.labels == {"kuma.io/origin": "global", "kuma.io/display-name": "a"}
        await centre.put(timeout("a", 7), timeout("b"))
        await zone.until(lambda: zone.named("MeshTimeout", "b"))
        changed = zone.named("MeshTimeout", "a")
        assert changed is not None and changed.spec["to"][0]["default"]["connectionTimeout"] == "7s"
        await centre.delete("MeshTimeout", "default", "a")
        await zone.until(lambda: zone.named("MeshTimeout", "a") is None)
        assert zone.live.current.get("Mesh", "", "default") is not None
        assert zone.client.status.connected
        sender = centre.zones.connections["zone-1"].sender
        await zone.until(lambda: sender.delivered_everything() == centre.publisher.catalogue.revision)


async def test_proxies_go_up_and_services_across(centre: Global) -> None:
    one, two = Zone("zone-1", centre.port), Zone("zone-2", centre.port)
    async with running(one, two):
        await one.put(
            Resource("Dataplane", "default", "web-1", DATAPLANE_SPEC),
            Resource("MeshService", "default", "web", {"ports": [{"port": 80}]}, {"kuma.io/managed-by": "generator"}),
        )
        proxy = await centre.until(lambda: centre.named("Dataplane", "web-1"))
        assert proxy.labels["kuma.io/zone"] == "zone-1"
        assert proxy.spec["networking"]["inbound"][0]["tags"]["kuma.io/zone"] == "zone-1"
        relayed = await two.until(lambda: two.named("MeshService", "web"))
        assert relayed.labels["kuma.io/origin"] == "global" and relayed.labels["kuma.io/zone"] == "zone-1"
        assert "kuma.io/managed-by" not in relayed.labels
        assert not two.live.current.list("Dataplane")
        assert [s.name for s in one.live.current.list("MeshService")] == ["web"]
        await one.delete("MeshService", "default", "web")
        await two.until(lambda: not two.live.current.list("MeshService"))


async def test_disabled_zones_disappear_from_others(centre: Global) -> None:
    one, two = Zone("zone-1", centre.port), Zone("zone-2", centre.port)
    async with running(one, two):
        await one.put(Resource("MeshService", "default", "web", {"ports": [{"port": 80}]}))
        await two.until(lambda: two.named("MeshService", "web"))
        await centre.put(Resource("Zone", "", "zone-1", {"enabled": False}))
        await two.until(lambda: not two.named("MeshService", "web"))
        assert centre.named("MeshService", "web") is not None
        await centre.put(Resource("Zone", "", "zone-1", {"enabled": True}))
        await two.until(lambda: two.named("MeshService", "web"))


async def test_one_bad_object_is_put_aside_and_the_rest_flows(centre: Global) -> None:
    zone = Zone("zone-1", centre.port)
    bad = Resource("MeshTimeout", "default", "bad", {"targetRef": {"kind": "Mesh"}, "to": [{"default": {}}]})
    await centre.put(bad, timeout("good"))
    async with running(zone):
        await zone.until(lambda: zone.named("MeshTimeout", "good"))
        assert zone.named("MeshTimeout", "bad") is None
        await zone.until(lambda: any("bad" in key for key in zone.client.status.down["MeshTimeout"].quarantined))
        assert zone.named("MeshTimeout", "bad") is None
        marks = centre.zones.connections["zone-1"]
        await zone.until(lambda: marks.sender.marks["MeshTimeout"].rejected >= 1)
        await centre.put(timeout("bad"))
        await zone.until(lambda: zone.named("MeshTimeout", "bad"))
        await zone.until(lambda: not zone.client.status.down["MeshTimeout"].quarantined)


async def test_a_reconnect_sends_nothing_that_is_there(centre: Global) -> None:
    zone = Zone("zone-1", centre.port)
    await centre.put(*(timeout(f"t{n}") for n in range(5)))
    async with running(zone):
        await zone.put(Resource("Dataplane", "default", "web-1", DATAPLANE_SPEC))
        await centre.until(lambda: centre.named("Dataplane", "web-1"))
        await zone.until(lambda: len(zone.live.current.list("MeshTimeout")) == 5)
        before = [(r.key, r.version) for r in zone.live.current.list("MeshTimeout")]
        await centre.hang_up()
        await zone.until(lambda: not zone.client.status.connected)
        await centre.delete("MeshTimeout", "default", "t0")
        await centre.put(timeout("t1", 9))
        await zone.put(Resource("Dataplane", "default", "web-2", DATAPLANE_SPEC))
        await centre.listen()
        await centre.until(lambda: centre.named("Dataplane", "web-2"))
        await zone.until(lambda: zone.named("MeshTimeout", "t0") is None)
        after = [(r.key, r.version) for r in zone.live.current.list("MeshTimeout")]
        assert len(set(before) & set(after)) == 3
        assert centre.zones.memories["zone-1"].received["Dataplane"].responses == 1


async def test_a_reconnect_without_a_change_is_one_answer_each_way(centre: Global) -> None:
    zone = Zone("zone-1", centre.port)
    await centre.put(timeout("a"))
    async with running(zone):
        await zone.put(Resource("Dataplane", "default", "web-1", DATAPLANE_SPEC))
        await centre.until(lambda: centre.named("Dataplane", "web-1"))
        await zone.until(lambda: zone.named("MeshTimeout", "a"))
        first = centre.zones.connections["zone-1"]
        assert sum(mark.sent for mark in first.sender.marks.values()) > 40
        await centre.hang_up()
        await zone.until(lambda: not zone.client.status.connected)
        await centre.listen()
        await zone.until(lambda: zone.client.status.connected)
        again = await centre.until(lambda: centre.zones.connections.get("zone-1"))
        await zone.until(lambda: again.sender.settled and zone.client.status.up)
        insight = await centre.until(lambda: newest(centre, again.session.id))
        assert insight["status"]["total"]["responsesSent"] == "1"
        assert sum(mark.sent for mark in again.sender.marks.values()) == 1
        assert again.sender.delivered_everything() == centre.publisher.catalogue.revision
        # The zone's reports about rollouts are of no stored type, and it always says that it makes some.
        up = zone.client.status.up
        await zone.until(lambda: up["ursa.Rollout"].acknowledged)
        assert sum(mark.sent for mark in up.values()) == 2
        await centre.put(timeout("a", 9))
        await zone.until(lambda: zone.named("MeshTimeout", "a").spec["to"][0]["default"]["connectionTimeout"] == "9s")


def newest(centre: Global, subscription: str) -> Any:
    """A connection as the insight of its zone records it."""
    insight = centre.live.current.get("ZoneInsight", "", "zone-1")
    found = [one for one in insight.spec["subscriptions"] if one["id"] == subscription] if insight else []
    return found[0] if found else None


async def test_idle_means_no_writes_at_all(centre: Global) -> None:
    zone = Zone("zone-1", centre.port)
    await centre.put(timeout("a"))
    async with running(zone):
        await zone.until(lambda: zone.named("MeshTimeout", "a"))
        await asyncio.sleep(0.3)
        revisions = await centre.store.revision(), await zone.store.revision()
        await asyncio.sleep(0.3)
        assert (await centre.store.revision(), await zone.store.revision()) == revisions


async def test_the_insight_tells_when_a_zone_comes_and_goes(centre: Global) -> None:
    zone = Zone("zone-1", centre.port)
    async with running(zone):
        insight = await centre.until(lambda: centre.live.current.get("ZoneInsight", "", "zone-1"))
        await centre.until(
            lambda: (
                "MeshTimeout"
                in centre.live.current.get("ZoneInsight", "", "zone-1").spec["subscriptions"][0]["status"]["stat"]
            )
        )
        insight = centre.live.current.get("ZoneInsight", "", "zone-1")
        assert insight is not None
        (subscription,) = insight.spec["subscriptions"]
        assert subscription["zoneInstanceId"] == "zone-1-1"
        assert '"type"' in subscription["config"]
        assert subscription["version"]["kumaCp"]["kumaCpGlobalCompatible"] is True
        assert "disconnectTime" not in subscription
        assert centre.live.current.get("Zone", "", "zone-1").spec == {"enabled": True}
    await centre.until(
        lambda: centre.live.current.get("ZoneInsight", "", "zone-1").spec["subscriptions"][0].get("disconnectTime")
    )


async def test_a_second_control_plane_of_the_same_zone_has_to_wait(centre: Global) -> None:
    first, second = Zone("zone-1", centre.port, "a"), Zone("zone-1", centre.port, "b")
    async with running(first):
        await first.put(Resource("Dataplane", "default", "web-1", DATAPLANE_SPEC))
        await centre.until(lambda: centre.named("Dataplane", "web-1"))
        async with running(second):
            await second.until(lambda: "already connected" in second.client.status.last_error)
            assert centre.named("Dataplane", "web-1") is not None
            await first.supervisor.stop("kds client")
            await second.until(lambda: second.client.status.connected)
            await centre.until(lambda: centre.named("Dataplane", "web-1") is None)


async def test_foreign_resources_are_safe(centre: Global) -> None:
    zone = Zone("zone-1", centre.port)
    await zone.open()
    await zone.put(
        Resource("MeshTimeout", "default", "own", timeout("own").spec, {"kuma.io/origin": "zone"}),
        Resource("Secret", "default", "shared", {"data": "bG9jYWw="}),
    )
    await centre.put(Resource("Secret", "default", "shared", {"data": "Z2xvYmFs"}))
    try:
        await zone.until(lambda: "Secret" in zone.client.status.down)
        await zone.until(lambda: "Secret default/shared" in zone.client.status.down["Secret"].quarantined)
        secret = zone.live.current.get("Secret", "default", "shared")
        assert secret is not None and secret.spec == {"data": "bG9jYWw="}
        assert zone.named("MeshTimeout", "own") is not None
        await centre.until(lambda: centre.named("MeshTimeout", "own"))
        # Once the zone's own secret is gone, the one that was refused takes its place.
        await zone.delete("Secret", "default", "shared")
        taken = await zone.until(lambda: zone.live.current.get("Secret", "default", "shared"))
        assert taken.spec == {"data": "Z2xvYmFs"}
        assert not zone.client.status.down["Secret"].quarantined
    finally:
        await zone.close()


async def test_questions_about_proxies_go_through_the_zone(centre: Global) -> None:
    async def answer(query: AdminQuery) -> bytes:
        if query.name == "gone":
            raise BadRequest("no such proxy")
        return f"{query.call} {query.kind} {query.name} {query.include_eds} {query.as_json}".encode()

    zone = Zone("zone-1", centre.port, admin=answer)
    async with running(zone):
        await centre.until(lambda: len(centre.tunnel.streams("zone-1")) == 3)
        ask = centre.tunnel.ask
        assert await ask("zone-1", AdminQuery(CONFIG, "Dataplane", "m", "d", include_eds=True)) == (
            b"config Dataplane d True False"
        )
        assert await ask("zone-1", AdminQuery(STATS, "Dataplane", "m", "d")) == b"stats Dataplane d False False"
        assert await ask("zone-1", AdminQuery(CLUSTERS, "ZoneIngress", "", "i", as_json=True)) == (
            b"clusters ZoneIngress i False True"
        )
        with pytest.raises(Unavailable, match="could not send XDSConfigRequest: no such proxy"):
            await ask("zone-1", AdminQuery(CONFIG, "Dataplane", "m", "gone"))
        with pytest.raises(Unavailable, match="couldn't execute Stats operation, zone is offline"):
            await ask("zone-2", AdminQuery(STATS, "Dataplane", "m", "d"))


async def test_a_zone_that_is_let_go_makes_a_new_connection_soon_and_gets_nothing_again(centre: Global) -> None:
    patient = {"KUMA_GENERAL_RESILIENT_COMPONENT_BASE_BACKOFF": "60s"}
    zone = Zone("zone-1", centre.port, **patient, KUMA_GENERAL_RESILIENT_COMPONENT_MAX_BACKOFF="60s")
    await centre.put(timeout("a"))
    async with running(zone):
        await zone.until(lambda: zone.named("MeshTimeout", "a"))
        before = centre.zones.connections["zone-1"]
        held = versions(zone)
        assert centre.holdings.count == 1
        assert centre.holdings.release({}, most=1) == "zone-1"
        assert centre.holdings.count == 0
        connections = centre.zones.connections
        after = await zone.until(lambda: (c := connections.get("zone-1")) is not before and c)
        assert after.caller.peer != before.caller.peer, "on the same connection it would be where it was"
        assert zone.client.status.restarts == {}
        await centre.put(timeout("b"))
        await zone.until(lambda: zone.named("MeshTimeout", "b"))
        assert centre.holdings.count == 1
        assert versions(zone).items() > held.items(), "the new stream brought the new policy and nothing again"


def versions(zone: Zone) -> dict[ResourceKey, int]:
    """What a zone has from its global."""
    return {one.key: one.version for one in zone.live.current.all() if one.kind != "ZoneInsight"}
