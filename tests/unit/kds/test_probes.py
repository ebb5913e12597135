"""The edge cases in which Kuma's control planes were probed (`reference/kds/20_*`, `21_*`), put to ours.

Where Kuma drops the connection, ours holds back the one resource that is wrong; everything else is as recorded.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

import grpc
import pytest
from envoy.service.discovery.v3 import discovery_pb2

from kds.admin_calls import CALLS
from kds.applier import Applier
from kds.connection import Connection
from kds.envelope import encode_envelope, version_of
from kds.ownership import FromGlobal, FromZone
from kds.requester import Node, Requester
from kds.transport import SYNC_SERVICE, UP, call_metadata
from kds.wire import decode_request, frame, join_response
from tests.unit.kds.lab import REGISTRY, Global, Side, Zone
from tests.unit.kds.recordings import folder
from tests.unit.kds.test_sender import KIND, Desk
from tests.unit.kds.test_stream import running, timeout
from ursa.errors import Unavailable
from ursa.model.kind import Sync
from ursa.model.resource import Resource

ORIGIN = {"kuma.io/origin": "global"}
OWN = {"kuma.io/origin": "zone"}
INVALID = "spec.to[0].default: at least one timeout should be configured"
ADDRESS = "networking.address: address has to be valid IP address or domain name"


class Probe:
    """Our receiving end, and a peer that says what it likes."""

    def __init__(self, side: Side, *, down: bool, hashed: bool = True) -> None:
        self.side = side
        ways = Sync.DOWN | Sync.ACROSS if down else Sync.UP
        ownership = FromGlobal() if down else FromZone("py-1", hashed=hashed)
        self._requester = Requester([kind for kind in REGISTRY if kind.sync & ways], Node("zone-f"))
        self._applier = Applier(side.store, side.live, REGISTRY, side.clock, ownership)
        self._nonce = 0

    async def say(
        self, *resources: Resource, kind: str = "MeshTimeout", removed: Iterable[str] = (), broken: bytes = b""
    ) -> str:
        """Sends a response; returns `ACK` or what the NACK says. `broken` stands for `"targetRef"` in the last one."""
        self._nonce += 1
        frames = []
        for resource in resources:
            body = encode_envelope(resource, REGISTRY[kind])
            if broken and resource is resources[-1]:
                body = body.replace(b'"targetRef"', broken)
            frames.append(frame(f"{resource.name}.{resource.mesh}", version_of(body), body))
        delivery = self._requester.receive(
            join_response(kind, str(self._nonce), frames, removed, identifier="peer", stamp="")
        )
        assert delivery is not None
        request = decode_request(self._requester.answer(delivery, await self._applier.apply(delivery)))
        assert (request.node, request.nonce, request.kind) == ("zone-f", str(self._nonce), kind)
        assert request.wildcard is (request.error is not None)
        return "ACK" if request.error is None else request.error

    def held(self, kind: str = "MeshTimeout") -> list[str]:
        return sorted(resource.name for resource in self.side.live.current.list(kind))


def sent(name: str, seconds: int = 5) -> Resource:
    return timeout(name, seconds).with_labels(ORIGIN)


@pytest.fixture
async def zone() -> AsyncIterator[Probe]:
    """A zone that has `a-1` of the global and `own` of its own."""
    side = Side()
    async with running(side):
        probe = Probe(side, down=True)
        assert await probe.say(sent("a-1")) == "ACK"
        await side.put(timeout("own").with_labels(OWN))
        yield probe


@pytest.fixture
async def centre() -> AsyncIterator[Probe]:
    side = Side()
    async with running(side):
        yield Probe(side, down=False)


async def test_without_origin(zone: Probe) -> None:
    assert await zone.say(timeout("a-1", 9)) == "ACK"
    assert zone.side.live.current.get("MeshTimeout", "default", "a-1").spec == timeout("a-1").spec  # type: ignore[union-attr]


async def test_valid_and_invalid(zone: Probe) -> None:
    bad = Resource("MeshTimeout", "default", "bad-1", {**timeout("x").spec, "to": [{"targetRef": {"kind": "Mesh"}, "default": {}}]}, ORIGIN)  # fmt: skip  # noqa: E501
    assert await zone.say(sent("good-1"), bad) == INVALID
    assert zone.held() == ["a-1", "good-1", "own"]


async def test_add_and_remove(zone: Probe) -> None:
    assert await zone.say(sent("a-1", 9), removed=["a-1.default"]) == "ACK"
    assert zone.held() == ["a-1", "own"]


async def test_remove_unknown(zone: Probe) -> None:
    assert await zone.say(removed=["nobody.default"]) == "ACK"


async def test_two_responses(zone: Probe) -> None:
    assert [await zone.say(sent(name)) for name in ("p-1", "p-2")] == ["ACK", "ACK"]
    assert zone.held() == ["a-1", "own", "p-1", "p-2"]


async def test_remove_foreign(zone: Probe) -> None:
    assert await zone.say(removed=["own.default"]) == "ACK"
    assert zone.held() == ["a-1", "own"]


async def test_same_key(zone: Probe) -> None:
    refusal = await zone.say(sent("own", 9), sent("p-1"))
    assert 'resource already exists: type="MeshTimeout" name="own" mesh="default"' in refusal
    assert zone.side.live.current.get("MeshTimeout", "default", "own").labels == OWN  # type: ignore[union-attr]
    assert "p-1" in zone.held()


async def test_undecodable(zone: Probe) -> None:
    assert "p-2" in await zone.say(sent("p-1"), sent("p-2"), broken=b"'targetRef'")
    assert zone.held() == ["a-1", "own", "p-1"]


async def test_unknown_field_and_type(zone: Probe) -> None:
    grown = Resource("MeshTimeout", "default", "uf-1", {**timeout("x").spec, "brandNew": {"a": 1}}, ORIGIN)
    assert await zone.say(grown) == "ACK"
    assert zone.held() == ["a-1", "own", "uf-1"]
    # A type that nobody asked for is told to be one, and nothing else comes of it.
    delivery = zone._requester.receive(join_response("BrandNew", "9", (), (), identifier="peer", stamp=""))
    assert delivery is not None and list(delivery.quarantined.values()) == ["type was not asked for"]


async def test_empty_first_response(zone: Probe) -> None:
    again = Probe(zone.side, down=True)
    assert await again.say() == "ACK"
    assert again.held() == ["own"]


async def test_mesh_wiped(zone: Probe) -> None:
    await zone.say(Resource("Mesh", "", "default", {}, ORIGIN), kind="Mesh")
    assert zone.held("Mesh") == ["default"]
    assert await Probe(zone.side, down=True).say(kind="Mesh") == "ACK"
    assert zone.held("Mesh") == []


@pytest.mark.parametrize("code", [grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE])
async def test_an_admin_stream_alone_ends(code: grpc.StatusCode, monkeypatch: pytest.MonkeyPatch) -> None:
    side, opened = Global(), list[str]()
    serve = side.tunnel.serve

    async def once(zone: str, call: str, stream: grpc.aio.ServicerContext) -> None:
        opened.append(call)
        if opened.count(call) == 1:
            await stream.abort(code, "stream canceled")
        await serve(zone, call, stream)

    monkeypatch.setattr(side.tunnel, "serve", once)
    async with running(side):
        client = Zone("zone-f", side.port)
        async with running(client):
            await side.until(lambda: len(side.tunnel.streams("zone-f")) == len(CALLS))
            await client.until(lambda: client.client.status.connected)
            assert (client.client.status.attempts, client.client.status.restarts) == (0, {})


async def test_without_node() -> None:
    desk = Desk()
    desk.offer("a")
    nobody = discovery_pb2.DeltaDiscoveryRequest(type_url=KIND, resource_names_subscribe=["*"])
    desk.sender.receive(decode_request(nobody.SerializeToString()))
    assert desk.names() == [["a.m"]]


async def test_up_before_down() -> None:
    side = Global(KUMA_MULTIZONE_GLOBAL_KDS_REGISTRATION_TIMEOUT="100ms")
    async with running(side), grpc.aio.insecure_channel(f"127.0.0.1:{side.port}") as channel:
        stream = Connection(channel, call_metadata("py-1"), probe_timeout=1).stream(SYNC_SERVICE, UP)
        with pytest.raises(Unavailable, match="zone py-1 is not registered"):
            await asyncio.wait_for(stream.ended(), 20)
        assert not side.live.current.list("Zone")


async def test_down_creates_the_zone() -> None:
    side = Global()
    async with running(side), running(Zone("py-1", side.port)):
        await side.until(lambda: [zone.name for zone in side.live.current.list("Zone")] == ["py-1"])


def dataplane(name: str, address: str = "10.9.9.9", mesh: str = "default") -> Resource:
    inbound = [{"port": 80, "tags": {"kuma.io/service": "s", "kuma.io/zone": "elsewhere"}}]
    spec = {"networking": {"address": address, "inbound": inbound}}
    return Resource("Dataplane", mesh, name, spec, {"foo": "bar", "kuma.io/zone": "elsewhere"})


async def test_rewriting(centre: Probe) -> None:
    assert await centre.say(dataplane("d1"), kind="Dataplane") == "ACK"
    (stored,) = centre.side.live.current.list("Dataplane")
    assert stored.labels == {"foo": "bar", "kuma.io/origin": "zone", "kuma.io/zone": "py-1"}
    assert stored.spec["networking"]["inbound"][0]["tags"] == {"kuma.io/service": "s", "kuma.io/zone": "py-1"}


async def test_invalid_dataplane(centre: Probe) -> None:
    made = (dataplane("d1"), dataplane("d2", "not an address!"), dataplane("d3"))
    assert await centre.say(*made, kind="Dataplane") == ADDRESS
    assert centre.held("Dataplane") == ["d1", "d3"]


async def test_policy_of_the_global(centre: Probe) -> None:
    await centre.side.put(timeout("g"))
    assert await centre.say(removed=["g.default"]) == "ACK"
    assert "resource already exists" in await centre.say(timeout("g", 9))
    assert centre.side.live.current.get("MeshTimeout", "default", "g").spec == timeout("g").spec  # type: ignore[union-attr]


async def test_unknown_mesh(centre: Probe) -> None:
    assert await centre.say(dataplane("d9", mesh="nomesh"), kind="Dataplane") == "ACK"
    assert [one.key.mesh for one in centre.side.live.current.list("Dataplane")] == ["nomesh"]


async def test_legacy_names(centre: Probe) -> None:
    legacy = Probe(centre.side, down=False, hashed=False)
    assert await legacy.say(timeout("abc")) == "ACK"
    (stored,) = legacy.side.live.current.list("MeshTimeout")
    assert stored.name == "py-1.abc"
    assert stored.labels == {
        "kuma.io/display-name": "abc",
        "kuma.io/origin": "zone",
        "kuma.io/zone": "py-1",
    }


async def test_two_responses_up(centre: Probe) -> None:
    assert [await centre.say(timeout(name)) for name in ("a", "b")] == ["ACK", "ACK"]


PROBES: dict[str, Callable[..., Awaitable[None]] | str] = {
    "update w/ resource lacking origin label": test_without_origin,
    "one valid + one invalid (bad validation)": test_valid_and_invalid,
    "add and remove same name in one message": test_add_and_remove,
    "remove unknown name": test_remove_unknown,
    "two responses for the same type without waiting for ACK": test_two_responses,
    "global tries to remove a zone-originated one": test_remove_foreign,
    "global creates a resource with the same key as the zone-originated one (type with hash => no skip-conflict)": (
        test_same_key
    ),
    "undecodable JSON spec": test_undecodable,
    "unknown JSON field + unknown type": test_unknown_field_and_type,
    "empty first response on reconnect wipes": test_empty_first_response,
    "abort ONE admin stream with CANCELLED": test_an_admin_stream_alone_ends,
    "abort ONE admin stream with UNAVAILABLE": test_an_admin_stream_alone_ends,
    "Mesh wiped by empty first response": test_mesh_wiped,
    "request without node on ZoneToGlobal": test_without_node,
    "ZoneToGlobal before any GlobalToZone (zone resource does not exist)": test_up_before_down,
    "create zone by GlobalToZone": test_down_creates_the_zone,
    "tags/labels rewriting": test_rewriting,
    "invalid dataplane": test_invalid_dataplane,
    "delete/overwrite of a global-owned policy by zone": test_policy_of_the_global,
    "resource in a mesh that does not exist": test_unknown_mesh,
    "no hash-suffix feature -> legacy prefix": test_legacy_names,
    "initial response for a type that is not requested by global": test_unknown_field_and_type,
    "ack without waiting: two in a row": test_two_responses_up,
    "zone deleted while connected": "recorded without an outcome",
}
"""What pins each probe."""


def test_no_probe_is_left_out() -> None:
    texts = [file.read_text() for file in folder().glob("2*_probe_*.txt")]
    assert len(texts) == 2
    assert {found for text in texts for found in re.findall(r"^## (.*?)\s*$", text, re.MULTILINE)} == PROBES.keys()
