"""A proxy that moves from one living instance to another stays registered, and is known to be where it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from envoy.config.core.v3.base_pb2 import Node

from bench.fake_proxies import dataplane
from tests.unit.kds.lab import Side
from tests.unit.kds.test_membership import ManualClock, settle
from ursa.admission.place import place_of
from ursa.catalog import default_registry
from ursa.model.resource import Resource, ResourceKey
from ursa.model.timestamps import parse_timestamp
from ursa.runtime.config import load
from zone_cp.dp_server.node import NodeInfo, read_node
from zone_cp.proxies.authentication import Authenticator
from zone_cp.proxies.insights import Insights, Subscription
from zone_cp.proxies.registration import Registration

KEY = ResourceKey("Dataplane", "default", "web")
REGISTRY = default_registry()
DELAY = 10.0


class Instance:
    """What one instance of a zone writes about proxies."""

    def __init__(self, side: Side, name: str) -> None:
        settings = load(None, {"KUMA_DP_SERVER_AUTHN_DP_PROXY_TYPE": "none"}).settings
        self.clock = ManualClock()
        self.authenticator = Authenticator(settings, side.live, self.clock)
        locality = place_of(settings).locality
        self.registration = Registration(
            side.store, side.live, REGISTRY, locality, self.authenticator, self.clock, name, DELAY
        )
        self.insights = Insights(side.store, side.live, REGISTRY, self.clock, name, 1.0)

    async def serve(self, node: NodeInfo) -> Subscription:
        await self.registration.admit(node, "")
        return self.insights.connected(KEY, node)

    def leave(self, subscription: Subscription) -> None:
        self.insights.disconnected(subscription)
        self.registration.leave(KEY, lambda: True)

    async def wait(self) -> None:
        """The time after which it deletes what is gone."""
        await self.clock.advance(DELAY + 1)
        await asyncio.sleep(0.05)


@asynccontextmanager
async def opened() -> AsyncIterator[Side]:
    side = Side()
    await side.open()
    try:
        await side.put(Resource("Mesh", "", "default"))
        yield side
    finally:
        await side.close()


@pytest.fixture
def node() -> NodeInfo:
    raw = Node(id="default.web")
    raw.metadata.update({"dataplane.proxyType": "dataplane"})
    raw.metadata.update({"dataplane.resource": json.dumps(dataplane("web", "10.0.0.1", 0, 0))})
    return read_node(raw)


def open_at(side: Side) -> list[str]:
    """The instances at which the proxy is connected."""
    insight = side.live.current.get("DataplaneInsight", "default", "web")
    assert insight is not None
    return [one["controlPlaneInstanceId"] for one in insight.spec["subscriptions"] if "disconnectTime" not in one]


@pytest.mark.parametrize("late", [False, True])
async def test_a_proxy_that_moved_stays(node: NodeInfo, late: bool) -> None:
    """Late is the end of the old stream: it is written when the new one is already known."""
    async with opened() as side:
        one, two = Instance(side, "one"), Instance(side, "two")
        first = await one.serve(node)
        await one.insights.flush()
        one.leave(first)
        if not late:
            await one.insights.flush()
        await two.serve(node)
        await two.insights.flush()
        await one.insights.flush()
        assert open_at(side) == ["two"]
        await one.wait()
        assert side.live.current.get(*KEY) is not None
        assert open_at(side) == ["two"]


async def test_a_proxy_that_is_nowhere_goes(node: NodeInfo) -> None:
    async with opened() as side:
        one, two = Instance(side, "one"), Instance(side, "two")
        one.leave(await one.serve(node))
        await one.insights.flush()
        moved = await two.serve(node)
        await two.insights.flush()
        await one.wait()
        two.leave(moved)
        await two.insights.flush()
        assert open_at(side) == []
        await two.wait()
        await settle()
        assert side.live.current.get(*KEY) is None


async def test_a_certificate_is_as_old_as_the_proxy_has_it(node: NodeInfo) -> None:
    async with opened() as side:
        east = Instance(side, "east-1")

        def told() -> dict[str, object]:
            insight = side.live.current.get("DataplaneInsight", "default", "web")
            assert insight is not None
            return dict(insight.spec["mTLS"])

        async def hold(expires: str) -> dict[str, object]:
            """What is known of a certificate after another connection of the proxy has got it."""
            subscription = await east.serve(node)
            east.insights.certificate(subscription, {"certificateExpirationTime": expires, "issuedBackend": "ca-1"})
            await east.insights.flush()
            return told()

        began = east.clock.now_ns()
        first = await hold("2027-01-01T00:00:00Z")
        assert began <= parse_timestamp(str(first["lastCertificateRegeneration"])) <= east.clock.now_ns()
        assert await hold("2027-01-01T00:00:00Z") == first
        again = east.clock.now_ns()
        second = await hold("2027-01-02T00:00:00Z")
        assert parse_timestamp(str(second["lastCertificateRegeneration"])) >= again
        assert (first["certificateRegenerations"], second["certificateRegenerations"]) == (1, 2)
