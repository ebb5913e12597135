"""The dataplane server on a real port: gRPC and HTTP over TLS behind one front."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import grpc
import pytest
from envoy.service.discovery.v3 import discovery_pb2

from tests.unit.dp_server.lab import PATIENCE, Lab, snapshot_of
from ursa.envoy.types import CLUSTER, LISTENER
from zone_cp.dp_server.ads import SERVICE


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    lab = Lab(tmp_path)
    lab.port = await lab.server.start()
    yield lab
    await lab.server.close(1)


def first_sotw(node_id: str = "default.web") -> discovery_pb2.DiscoveryRequest:
    request = discovery_pb2.DiscoveryRequest(type_url=CLUSTER)
    request.node.id = node_id
    request.node.metadata.SetInParent()
    return request


def first_delta(node_id: str = "default.web") -> discovery_pb2.DeltaDiscoveryRequest:
    request = discovery_pb2.DeltaDiscoveryRequest(type_url=CLUSTER)
    request.node.id = node_id
    request.node.metadata.SetInParent()
    return request


async def test_state_of_the_world_over_the_front(lab: Lab) -> None:
    async with lab.channel() as channel:
        call = lab.sotw(channel)
        await call.write(first_sotw())
        response = await call.read()
        assert [r.value for r in response.resources] == [b"one"]
        assert response.resources[0].type_url == response.type_url == CLUSTER
        assert (response.nonce, response.control_plane.identifier) == ("1", "cp-1")
        await call.write(
            discovery_pb2.DiscoveryRequest(type_url=CLUSTER, version_info=response.version_info, response_nonce="1")
        )
        lab.proxies[0].publish(snapshot_of(CLUSTER, backend=b"two"))
        response = await call.read()
        assert [r.value for r in response.resources] == [b"two"]
        kinds = [told[0] for told in lab.proxies[0].told]
        assert kinds == ["sent", "acknowledged", "sent"]


async def test_delta_with_node_only_in_the_first_request(lab: Lab) -> None:
    async with lab.channel() as channel:
        call = lab.delta(channel)
        await call.write(first_delta())
        response = await call.read()
        assert [(r.name, r.resource.value) for r in response.resources] == [("backend", b"one")]
        assert (response.nonce, response.control_plane.identifier) == ("1", "cp-1")
        refusal = discovery_pb2.DeltaDiscoveryRequest(type_url=CLUSTER, response_nonce="1")
        refusal.error_detail.message = "no such cluster type"
        await call.write(refusal)
        lab.proxies[0].publish(snapshot_of(CLUSTER, other=b"two"))
        response = await call.read()
        assert [r.name for r in response.resources] == ["other"]
        assert list(response.removed_resources) == ["backend"]
        assert ("rejected", CLUSTER, "no such cluster type", ("backend",)) in lab.proxies[0].told


async def test_what_was_refused_is_offered_again(lab: Lab) -> None:
    async with lab.channel() as channel:
        call = lab.sotw(channel)
        await call.write(first_sotw())
        first = await call.read()
        pauses = []
        for nonce in ("1", "2", "3"):
            refusal = discovery_pb2.DiscoveryRequest(type_url=CLUSTER, response_nonce=nonce)
            refusal.error_detail.message = "address already in use"
            await call.write(refusal)
            asked = time.monotonic()
            again = await call.read()
            pauses.append(time.monotonic() - asked)
            assert (again.version_info, again.resources) == (first.version_info, first.resources)
        assert pauses[0] >= 0.1
        assert pauses[1] >= 0.2
        assert pauses[2] >= 0.4


async def test_http_on_the_same_port(lab: Lab) -> None:
    context = ssl.create_default_context(cafile=str(lab.files.cert))
    context.set_alpn_protocols(["h2", "http/1.1"])  # as Go's client does
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        for body in ("x", "y" * 500_000):
            async with session.post(f"https://localhost:{lab.port}/bootstrap", data=body) as answer:
                assert (answer.status, await answer.text()) == (200, body)


async def refused(call: grpc.aio.StreamStreamCall) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        while await call.read() is not grpc.aio.EOF:
            pass
    assert caught.value.code() is grpc.StatusCode.UNKNOWN
    return str(caught.value.details())


async def test_refusals_carry_their_text(lab: Lab) -> None:
    async with lab.channel() as channel:
        call = lab.sotw(channel, metadata=(("authorization", "wrong"),))
        await call.write(first_sotw())
        assert await refused(call) == "authentication failed: token is revoked"

        call = lab.delta(channel)
        await call.write(discovery_pb2.DeltaDiscoveryRequest(type_url=CLUSTER))
        assert await refused(call) == "request must have a valid Proxy ID: Envoy ID must not be nil"

        call = lab.sotw(channel)
        await call.write(first_sotw())
        await call.read()
        await call.write(first_sotw("default.other"))
        assert "Node ID cannot be changed after stream is initialized" in await refused(call)
        await asyncio.wait_for(lab.proxies[-1].closed.wait(), 5)


async def test_garbage_ends_only_its_stream(lab: Lab) -> None:
    async with lab.channel() as channel:
        good = lab.sotw(channel)
        await good.write(first_sotw())
        await good.read()
        bad = channel.stream_stream(f"/{SERVICE}/StreamAggregatedResources")(timeout=20)
        await bad.write(b"\xff\xff\xff")
        assert "not a discovery request" in await refused(bad)
        lab.proxies[0].publish(snapshot_of(LISTENER))
        await good.write(discovery_pb2.DiscoveryRequest(type_url=LISTENER))
        assert (await good.read()).type_url == LISTENER


async def test_the_newest_connection_wins(lab: Lab) -> None:
    async with lab.channel() as channel:
        older, newer = lab.delta(channel), lab.delta(channel)
        await older.write(first_delta())
        await older.read()
        await newer.write(first_delta())
        await newer.read()
        assert "replaced by a newer connection" in await refused(older)
        assert lab.ads.streams == 1


async def test_a_client_that_goes_away_is_noticed(lab: Lab) -> None:
    async with lab.channel() as channel:
        call = lab.sotw(channel)
        await call.write(first_sotw())
        await call.read()
    await asyncio.wait_for(lab.proxies[0].closed.wait(), 5)
    assert lab.ads.streams == 0


async def test_closing_ends_streams_at_once(lab: Lab) -> None:
    async with lab.channel() as channel:
        call = lab.sotw(channel)
        await call.write(first_sotw())
        await call.read()
        async with asyncio.timeout(5):
            await lab.server.close(60)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("first", [b"", b"\x16\x03", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x40\x00" + b"x" * 50])
async def test_who_does_not_say_what_it_wants_is_dropped(lab: Lab, first: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", lab.port)
    writer.write(first)
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()


async def test_a_stream_that_does_not_say_who_it_is_ends(lab: Lab) -> None:
    async with lab.channel() as channel:
        call = lab.sotw(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.details() == f"no request within {PATIENCE:g}s"


async def test_a_proxy_that_is_let_go_is_told_why_and_its_connection_ends(lab: Lab) -> None:
    async with lab.channel() as channel, lab.channel() as other_channel:
        call, other = lab.sotw(channel), lab.sotw(other_channel)
        for one, node in ((call, "default.web"), (other, "default.other")):
            await one.write(first_sotw(node))
            await one.read()
        assert lab.holdings.count == 2
        assert lab.holdings.release({"default.other": 1}, most=2) == "default.web"
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
        assert "more than its share" in str(await call.details())
        async with asyncio.timeout(5):
            while channel.get_state() is grpc.ChannelConnectivity.READY:  # noqa: ASYNC110 - tells no other way
                await asyncio.sleep(0.01)
        assert lab.proxies[0].closed.is_set() and not lab.proxies[1].closed.is_set()
        assert other_channel.get_state() is grpc.ChannelConnectivity.READY
        assert lab.holdings.count == 1
