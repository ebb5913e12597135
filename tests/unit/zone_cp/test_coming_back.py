"""Proxies that come back: what they bring is read once, and their going and coming is written together."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bench.fake_proxies import dataplane
from tests.unit.kds.lab import Side
from tests.unit.zone_cp.test_moving import Instance, node, opened
from ursa.errors import InvalidResource, Unauthenticated
from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.tasks import cancel_and_wait, spawn
from ursa.store.contract import Delete
from zone_cp.dp_server.node import NodeInfo

__all__ = ["node"]

KEY = ResourceKey("Dataplane", "default", "web")
MANY = 200


@pytest.fixture
async def side() -> AsyncIterator[Side]:
    async with opened() as side:
        yield side


async def test_what_a_proxy_brings_again_is_not_read_again(side: Side, node: NodeInfo) -> None:
    registration = Instance(side, "east-1").registration
    stored = await registration.admit(node, "")
    assert await registration.admit(node, "") == stored
    assert registration.read == 1
    other = replace(node, resource_text=json.dumps(dataplane("web", "10.0.0.2", 0, 0)))
    assert (await registration.admit(other, "")).version > stored.version
    # Back to the first, which is not what is stored now.
    assert (await registration.admit(node, "")).spec == stored.spec
    assert registration.read == 3


async def test_a_proxy_that_comes_back_meets_what_changed(side: Side, node: NodeInfo) -> None:
    registration = Instance(side, "east-1").registration
    first = await registration.admit(node, "")
    revision, _ = await side.store.write([Delete(KEY)])
    await side.live.wait_for(revision)
    again = await registration.admit(node, "")
    assert again.version > first.version
    mesh = side.live.current.get("Mesh", "", "default")
    assert mesh is not None
    restrictions = {"dataplaneProxy": {"restrictions": [{"tags": {"kuma.io/service": "*"}}]}}
    await side.put(mesh.with_spec({**mesh.spec, "constraints": restrictions}))
    with pytest.raises(InvalidResource):
        await registration.admit(node, "")


async def test_a_proxy_that_comes_back_shows_its_token_again(
    side: Side, node: NodeInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = Instance(side, "east-1")
    await instance.registration.admit(node, "token")

    def refuse(_node: NodeInfo, _token: str, *_resources: Resource) -> None:
        raise Unauthenticated("the token is revoked")

    monkeypatch.setattr(instance.authenticator, "check", refuse)
    with pytest.raises(Unauthenticated):
        await instance.registration.admit(node, "token")


async def test_when_all_connections_break_going_and_coming_are_one_write(side: Side, node: NodeInfo) -> None:
    east = Instance(side, "east-1")
    keys = [ResourceKey("Dataplane", "default", f"web-{number}") for number in range(MANY)]
    for key in keys:
        await side.put(Resource(*key, {"networking": {"address": "10.0.0.1"}}))

    def closed(key: ResourceKey) -> list[bool]:
        """Of each subscription that is known of a proxy, whether it has ended."""
        insight = side.live.current.get("DataplaneInsight", "default", key.name)
        return [] if insight is None else ["disconnectTime" in one for one in insight.spec["subscriptions"]]

    running = spawn(east.insights.run(), "insights")
    try:
        subscriptions = [east.insights.connected(key, node) for key in keys]
        await east.clock.advance(3.0)
        await side.until(lambda: all(closed(key) == [False] for key in keys))
        before = await side.store.revision()
        for subscription in subscriptions:
            east.insights.disconnected(subscription)
        await east.clock.advance(0.3)
        for key in keys:
            east.insights.connected(key, node)
        await east.clock.advance(3.0)
        await side.until(lambda: all(closed(key) == [True, False] for key in keys))
        assert await side.store.revision() == before + MANY / 50, "each was written once, fifty at a time"
        # One alone is written soon.
        east.insights.disconnected(east.insights.connected(keys[0], node))
        await east.clock.advance(0.3)
        await side.until(lambda: closed(keys[0]) == [True, True])
    finally:
        await cancel_and_wait(running)
