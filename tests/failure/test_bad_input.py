"""Whatever is sent to the ports of control planes is refused in words, and neither ends nor bloats a process."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from envoy.service.discovery.v3 import discovery_pb2

from bench.planes import Plane, start_global, start_zone
from tests.failure.calls import call_api, call_http, call_stream, issue
from tests.failure.raw_input import client_hello, listening_ports, messages, send_raw
from tests.servers.ports import free_port
from ursa.envoy.types import CLUSTER

ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
HDS = "/envoy.service.health.v3.HealthDiscoveryService/StreamHealthCheck"
DOWN = "/kuma.mesh.v1alpha1.KDSSyncService/GlobalToZoneSync"
PATH = "/meshes/default/meshtimeouts/t"
POLICY = {
    "type": "MeshTimeout",
    "mesh": "default",
    "name": "t",
    "spec": {
        "targetRef": {"kind": "Mesh"},
        "to": [{"targetRef": {"kind": "Mesh"}, "default": {"connectionTimeout": "7s"}}],
    },
}
DATAPLANE = {
    "type": "Dataplane",
    "mesh": "default",
    "name": "d",
    "networking": {
        "address": "127.0.0.1",
        "inbound": [{"port": 8080, "tags": {"kuma.io/service": "web"}}],
    },
}
GROWTH = 16 << 20
"""Bytes that a process may grow by while it is sent a multiple of that."""
KEPT = 80 << 20
"""Bytes that allocators of a process may keep for reuse after noise: they stop at about 50 MB, however much follows."""
LINE = re.compile(r"^\S+ (WARNING|ERROR) +(\S+): ", re.MULTILINE)
"""Beginning of a line that somebody would have to look at."""


@dataclass(frozen=True)
class Planes:
    """A global and a zone that belong together and ask everybody for tokens."""

    centre: Plane
    zone: Plane
    https: dict[str, int]

    @property
    def all(self) -> tuple[Plane, Plane]:
        return self.centre, self.zone

    def zone_token(self, **changes: object) -> str:
        return issue(self.centre, "zone", **{"zone": "east", "scope": ["cp"], "validFor": "1h", **changes})

    def token(self, **changes: object) -> str:
        return issue(self.zone, "dataplane", **{"name": "d", "mesh": "default", "validFor": "1h", **changes})

    async def ask_zone(self, token: str, *requests: bytes) -> tuple[str, str]:
        """What the zone says to a proxy with this token."""
        metadata = [("authorization", token)]
        return await call_stream(self.zone, self.zone.xds, ADS, *requests, metadata=metadata)

    async def ask_global(self, token: str, *requests: bytes, zone: str = "other") -> tuple[str, str]:
        """What the global says to a zone with this token."""
        metadata = [("client-id", zone), ("authorization", f"Bearer {token}")]
        return await call_stream(self.centre, self.centre.kds, DOWN, *requests, metadata=metadata)


async def wait_for(plane: Plane, path: str) -> None:
    for _ in range(600):
        if (await asyncio.to_thread(call_api, plane, "GET", path, b""))[0] == 200:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{path} does not appear")


async def start(folder: Path, stack: ExitStack) -> Planes:
    https = {"global": free_port(), "east": free_port()}

    def settings(name: str, **more: str) -> dict[str, str]:
        return {
            "KUMA_API_SERVER_HTTPS_ENABLED": "true",
            "KUMA_API_SERVER_HTTPS_PORT": str(https[name]),
            **more,
        }

    required = {"URSA_MULTIZONE_GLOBAL_KDS_ZONE_TOKEN_REQUIRED": "true"}
    centre = await start_global(folder, settings=settings("global", **required))
    stack.callback(centre.stop)
    await wait_for(centre, "/meshes/default")
    await wait_for(centre, "/global-secrets/zone-token-signing-key-1")
    token = issue(centre, "zone", zone="east", scope=["cp"], validFor="1h")
    proxies = {"KUMA_DP_SERVER_AUTHN_DP_PROXY_TYPE": "dpToken", "URSA_MULTIZONE_ZONE_KDS_TOKEN": token}
    zone = await start_zone(folder, "east", centre.kds, settings=settings("east", **proxies))
    stack.callback(zone.stop)
    await wait_for(zone, "/meshes/default")
    await wait_for(zone, "/meshes/default/secrets/dataplane-token-signing-key-default-1")
    return Planes(centre, zone, https)


@pytest.fixture(scope="module")
def planes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planes]:
    with ExitStack() as stack:
        found = asyncio.run(start(tmp_path_factory.mktemp("planes"), stack))
        yield found
        for plane in found.all:
            assert plane.process.poll() is None
            log = (plane.folder / "log").read_text()
            assert "Traceback" not in log, log[log.index("Traceback") - 300 :][:3000]


def first_request(**metadata: object) -> bytes:
    request = discovery_pb2.DiscoveryRequest(type_url=CLUSTER)
    request.node.id = str(metadata.pop("id", "default.d"))
    request.node.metadata.update({"dataplane.resource": json.dumps(DATAPLANE), **metadata})
    return request.SerializeToString()


def zone_request() -> bytes:
    request = discovery_pb2.DeltaDiscoveryRequest(type_url="MeshTimeout", resource_names_subscribe=["*"])
    request.node.id = "other"
    request.node.metadata.SetInParent()
    return request.SerializeToString()


def bootstrap(planes: Planes, **changes: object) -> tuple[int, str]:
    version = {"kumaDp": {"version": "2.13.0"}, "envoy": {"version": "1.30.0", "kumaDpCompatible": True}}
    request = {
        "mesh": "default",
        "name": "d",
        "proxyType": "dataplane",
        "dataplaneToken": "x",
        "dataplaneResource": json.dumps(DATAPLANE),
        "version": version,
    }
    body = json.dumps(request | changes).encode()
    return call_http(f"https://localhost:{planes.zone.xds}/bootstrap", "POST", body)


async def check_service(planes: Planes) -> None:
    """Every port still does what it is for."""
    for plane in planes.all:
        assert call_api(plane, "GET", "/meshes/default", b"")[0] == 200
        assert call_http(f"https://localhost:{planes.https[plane.folder.name]}/meshes/default")[0] == 200
        assert call_http(f"http://127.0.0.1:{plane.diagnostics}/healthy")[0] == 200
    assert bootstrap(planes)[0] == 200
    assert await planes.ask_zone(planes.token(), first_request()) == ("OK", "")
    assert await planes.ask_global(planes.zone_token(zone="other"), zone_request()) == ("OK", "")


def fields(answer: str) -> set[str]:
    return {one["field"] for one in json.loads(answer)["invalid_parameters"]}


def test_an_invalid_resource_is_told_with_every_field_that_is_wrong(planes: Planes) -> None:
    target = {"kind": "Mesh"}
    to = [{"targetRef": target, "default": {"connectionTimeout": [], "http": {"requestTimeout": 7}}}]
    status, answer = call_api(
        planes.centre, "PUT", PATH, POLICY | {"spec": {"targetRef": {"kind": "Moon"}, "to": to}, "labels": {"a/": "/"}}
    )
    assert status == 400
    wrong = {"spec.targetRef.kind", "spec.to[0].default.connectionTimeout", "spec.to[0].default.http.requestTimeout"}
    assert wrong <= fields(answer)
    inbounds = [{"port": 0, "tags": {}}, {"port": 70_000, "tags": {"kuma.io/service": ""}}]
    broken = DATAPLANE | {"networking": {"address": "", "inbound": inbounds}}
    status, answer = call_api(planes.zone, "PUT", "/meshes/default/dataplanes/d", broken)
    assert status == 400
    assert {
        "networking.address",
        "networking.inbound[0].port",
        'networking.inbound[0].tags["kuma.io/service"]',
        "networking.inbound[1].port",
        'networking.inbound[1].tags["kuma.io/service"]',
    } <= fields(answer)


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return opening * depth + b"1" + closing * depth


BODIES = {
    "nothing": (b"", 400),
    "NUL bytes": (bytes(1000), 400),
    "no UTF-8": (b'{"type": "MeshTimeout", "name": "\xff\xfe"}', 400),
    "UTF-16": (json.dumps(POLICY).encode("utf-16"), 400),
    "half a character": (b'{"type": "MeshTimeout", "mesh": "default", "name": "t", "labels": {"a": "\\ud800"}}', 400),
    "YAML": (b"type: MeshTimeout\nname: t\n", 400),
    "null": (b"null", 400),
    "a list": (b"[]", 400),
    "no number": (b'{"a": NaN}', 400),
    "a huge number": (b'{"a": ' + b"9" * 100_000 + b"}", 400),
    "a deep list": (nested(200_000), 400),
    "a deep object": (nested(200_000, b'{"a":', b"}"), 400),
    "a deep spec": (b'{"type": "MeshTimeout", "mesh": "default", "name": "t", "spec": ' + nested(900) + b"}", 400),
    "deep objects": (
        b'{"type": "MeshTimeout", "mesh": "default", "name": "t", "spec": {"to": %s}}' % nested(900, b'{"a":', b"}"),
        400,
    ),
    "another kind": (json.dumps(POLICY | {"type": "MeshRetry"}).encode(), 400),
    "another name": (json.dumps(POLICY | {"name": "t\0"}).encode(), 400),
    "another mesh": (json.dumps(POLICY | {"mesh": "moon"}).encode(), 400),
    "too much": (b" " * (64 << 20), 413),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_resource_is_refused(planes: Planes, name: str) -> None:
    body, expected = BODIES[name]
    for plane in planes.all:
        status, answer = call_api(plane, "PUT", PATH, body)
        assert status == expected, answer
        assert answer
        assert call_api(plane, "GET", PATH, b"")[0] == 404


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/meshes/default/moons/t", 404),
        ("/meshes/moon/meshtimeouts/t", 404),
        ("/meshes/default/meshtimeouts/t%00", 400),
        ("/meshes/default/meshtimeouts/%ff%fe", 400),
        ("/meshes/default/meshtimeouts/..%2f..%2fetc%2fpasswd", 404),
        ("/meshes/default/meshtimeouts/" + "t" * 5_000, 400),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(planes: Planes, path: str, expected: int) -> None:
    for plane in planes.all:
        assert call_api(plane, "PUT", path, POLICY)[0] == expected


@pytest.mark.parametrize("query", ["size=-1", "size=" + "9" * 5_000, "offset=%00", "offset=" + "9" * 5_000])
def test_a_page_that_cannot_be_is_refused(planes: Planes, query: str) -> None:
    for plane in planes.all:
        for path in ("/meshtimeouts", "/meshes/default/dataplanes/_overview"):
            assert call_api(plane, "GET", f"{path}?{query}", b"")[0] == 400


def bomb(field: str) -> str:
    """A Dataplane of a few hundred bytes that is some billion values when its aliases are written out."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for previous, name in zip("abcdefghi", "bcdefghij", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{previous}'] * 10)}]")
    return "\n".join((*lines, "type: Dataplane", "mesh: default", "name: d", f"{field}: *j", ""))


@pytest.mark.parametrize(
    "resource",
    [
        bomb("networking"),
        bomb("labels"),
        "type: Dataplane\nnetworking: &a [*a]\n",
        "type: Dataplane\nnetworking: " + "[" * 900 + "]" * 900,
        "type: Dataplane\nnetworking: " + "{a: " * 20_000,
        "type: Dataplane\0",
        "- type: Dataplane",
        "type: Moon\nname: d\n",
    ],
)
def test_a_bootstrap_for_no_proxy_is_refused(planes: Planes, resource: str) -> None:
    before = planes.zone.memory
    status, _ = bootstrap(planes, dataplaneResource=resource)
    assert status >= 400
    assert planes.zone.memory < before + GROWTH
    assert bootstrap(planes)[0] == 200


def test_a_bootstrap_without_a_token_is_refused(planes: Planes) -> None:
    status, answer = bootstrap(planes, dataplaneToken="")
    assert status == 422
    assert "Dataplane Token is required" in answer


async def test_a_proxy_without_the_right_token_is_refused(planes: Planes) -> None:
    status, answer = call_api(planes.centre, "PUT", "/meshes/second", {"type": "Mesh", "name": "second"})
    assert status == 201, answer
    await wait_for(planes.zone, "/meshes/second/secrets/dataplane-token-signing-key-second-1")
    good = planes.token()
    head, body, _ = good.split(".")
    expiring = planes.token(validFor="1s")
    await asyncio.sleep(2)
    refused = {
        "": "could not parse token",
        "garbage": "could not parse token",
        "x" * 5_000: "could not parse token",
        f"Bearer {good}": "could not parse token",
        f"{head}.{body}.{'A' * 342}": "token signature is invalid",
        "eyJhbGciOiJub25lIn0.eyJOYW1lIjoiZCJ9.": "no signing key with KID 0",
        expiring: "token is expired",
        planes.token(name="e"): "proxy name from requestor: d is different than in token: e",
        planes.token(name="", tags={"kuma.io/service": ["db"]}): 'Allowed values in token are ["db"]',
        planes.token(mesh="second"): "token signature is invalid",
        planes.token(workload="w"): "dataplane has no workload label required by the token",
        planes.zone_token(): "could not parse token",
    }
    for token, text in refused.items():
        code, details = await planes.ask_zone(token, first_request())
        assert code == "UNKNOWN"
        assert details.startswith("authentication failed: ") and text in details
    assert await planes.ask_zone(good, first_request()) == ("OK", "")


async def test_a_zone_without_the_right_token_is_refused(planes: Planes) -> None:
    expiring = planes.zone_token(zone="other", validFor="1s")
    await asyncio.sleep(2)
    refused = {
        "": "a zone token is required",
        "garbage": "could not parse token",
        expiring: "token is expired",
        planes.zone_token(zone="east"): "the token is for zone 'east', not for 'other'",
        planes.zone_token(zone="other", scope=["ingress"]): "the token has no scope 'cp'",
        planes.token(): "could not parse token",
    }
    for token, text in refused.items():
        code, details = await planes.ask_global(token, zone_request())
        assert code == "UNAUTHENTICATED"
        assert text in details
    assert await planes.ask_global(planes.zone_token(zone="other"), zone_request()) == ("OK", "")


@pytest.mark.parametrize(
    "request_",
    [
        b"\xff" * 100,
        b"",
        b"\x0a" + b"x" * (5 << 20),
        first_request(id="default.d\0"),
        first_request(**{"dataplane.resource": "\0"}),
        first_request(**{"dataplane.resource": "[" * 200_000}),
        first_request(
            **{"dataplane.resource": '{"type": "Dataplane", "networking": ' + '{"a":' * 900 + "1" + "}" * 901}
        ),
        first_request(**{"dataplane.resource": '{"type": "Dataplane", "mesh": [], "name": 7}'}),
        first_request(**{"dataplane.proxyType": "moon"}),
        first_request(**{"dataplane.resource": 7, "dataplane.admin.port": float("nan"), "features": {"a": 1}}),
    ],
    ids=range(10),
)
async def test_a_proxy_that_talks_nonsense_is_refused(planes: Planes, request_: bytes) -> None:
    code, details = await planes.ask_zone(planes.token(name=""), request_)
    assert code in ("UNKNOWN", "RESOURCE_EXHAUSTED")
    assert details and "Unexpected" not in details


async def test_nonsense_on_other_streams_is_refused(planes: Planes) -> None:
    code, details = await call_stream(planes.zone, planes.zone.xds, HDS, b"\xff" * 100)
    assert (code, details.partition(":")[0]) == ("UNKNOWN", "not a health check request or response")
    token = planes.zone_token(zone="other")
    code, details = await planes.ask_global(token, b"\xff" * 100)
    assert (code, details.partition(":")[0]) == ("INVALID_ARGUMENT", "not a delta discovery request")
    request = discovery_pb2.DeltaDiscoveryRequest.FromString(zone_request())
    request.node.metadata.update({"features": float("nan")})
    code, details = await planes.ask_global(token, request.SerializeToString())
    assert (code, details.partition(":")[0]) == ("INVALID_ARGUMENT", "not a delta discovery request")
    metadata = [("client-id", "other"), ("authorization", f"Bearer {token}"), ("features-bin", b"\xff\xfe")]
    centre = planes.centre
    assert (await call_stream(centre, centre.kds, DOWN, zone_request(), metadata=metadata))[0] == "OK"
    # gRPC answers this one itself; a client that is still writing may see the stream reset before it sees the answer.
    assert (await call_stream(centre, centre.kds, DOWN + "x", b""))[0] in ("UNIMPLEMENTED", "INTERNAL")


def lines(plane: Plane) -> list[str]:
    return LINE.findall((plane.folder / "log").read_text())


def flood(port: int, times: int, *, hard: bool) -> None:
    for _ in range(times):
        for message in messages().values():
            send_raw(port, message, hard=hard, wait=0.02)


async def test_noise_on_any_port_ends_nothing_and_is_logged_once(planes: Planes) -> None:
    for plane in planes.all:
        ports = listening_ports(plane.process.pid)
        known = {plane.api, plane.diagnostics, planes.https[plane.folder.name], plane.xds or plane.kds}
        assert known <= ports
        silent = [socket.create_connection(("127.0.0.1", port)) for port in ports for _ in range(20)]
        stuck = [socket.create_connection(("127.0.0.1", port)) for port in ports for _ in range(20)]
        try:
            for connection in stuck:
                connection.sendall(client_hello("h2")[:100])
            await asyncio.gather(*(asyncio.to_thread(flood, port, 1, hard=False) for port in ports))
            logged, before = len(lines(plane)), plane.memory
            await asyncio.gather(*(asyncio.to_thread(flood, port, 9, hard=True) for port in ports))
            assert len(lines(plane)) == logged
            assert plane.memory < before + KEPT
            await check_service(planes)
        finally:
            for connection in silent + stuck:
                connection.close()
    await check_service(planes)
    # The two still talk to each other.
    assert call_api(planes.centre, "PUT", "/meshes/afterwards", {"type": "Mesh", "name": "afterwards"})[0] == 201
    await wait_for(planes.zone, "/meshes/afterwards")


async def test_the_same_refusal_is_logged_once(planes: Planes) -> None:
    before = len(lines(planes.zone)), len(lines(planes.centre))
    for _ in range(10):
        await planes.ask_zone("again and again", first_request())
        await planes.ask_global("again and again", zone_request())
        bootstrap(planes, proxyType="again and again")
        call_api(planes.zone, "PUT", PATH, b"again and again")
    assert len(lines(planes.zone)) <= before[0] + 2
    assert len(lines(planes.centre)) <= before[1] + 1
