"""Requests from outside enter a mesh by a builtin gateway: by host and path, with its certificate, as policies say."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from deploy.demo import manifests
from deploy.demo.waiting import until
from tests.e2e.lab import TIMEOUT, Lab, dataplane
from ursa.identity.ca import CertificateAuthority, create_named_ca
from ursa.identity.certificates import LeafIssuer, LeafRequest
from ursa.runtime.clock import SystemClock

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

PATIENCE = 60.0
NAME, HOST = "edge-east", 16
FOREIGNER, FOREIGN_HOST, FOREIGN_PORT = "foreigner", 17, 10090
HTTP_PORT, HTTPS_PORT, OPEN_PORT = 8080, 8443, 8090
SHOP = "shop.example.com"
(MESH,) = (document for document in manifests.mesh() if document["type"] == "Mesh")
OF_EDGE = [{"match": {"kuma.io/service": "edge"}}]
CERTIFICATE = "edge-certificate"

GATEWAY: manifests.Document = {
    "type": "MeshGateway",
    "mesh": "default",
    "name": "edge",
    "selectors": OF_EDGE,
    "conf": {
        "listeners": [
            {"port": HTTP_PORT, "protocol": "HTTP"},
            {
                "port": HTTPS_PORT,
                "protocol": "HTTPS",
                "hostname": SHOP,
                "tls": {"mode": "TERMINATE", "certificates": [{"secret": CERTIFICATE}]},
            },
            {"port": OPEN_PORT, "protocol": "HTTP", "hostname": SHOP, "crossMesh": True, "tags": {"open": "to-others"}},
        ]
    },
}


def to(*shares: tuple[str, int]) -> list[dict[str, Any]]:
    return [{"weight": weight, "destination": {"kuma.io/service": service}} for service, weight in shares]


def under(path: str, *shares: tuple[str, int]) -> dict[str, Any]:
    return {"matches": [{"path": {"match": "PREFIX", "value": path}}], "backends": to(*shares)}


ROUTE: manifests.Document = {
    "type": "MeshGatewayRoute",
    "mesh": "default",
    "name": "shop",
    "selectors": OF_EDGE,
    "conf": {
        "http": {
            "hostnames": [SHOP],
            "rules": [
                under("/", ("backend", 1)),
                under("/archive", ("archive", 1)),
                under("/both", ("backend", 1), ("archive", 1)),
            ],
        }
    },
}


def policy(kind: str, target: dict[str, Any], **spec: Any) -> manifests.Document:
    return {"type": kind, "mesh": "default", "name": "at-the-edge", "spec": {"targetRef": target, **spec}}


def for_all(conf: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"targetRef": {"kind": "Mesh"}, "default": conf}]


EDGE = {"kind": "MeshGateway", "name": "edge"}
LET_IN = policy(
    "MeshTrafficPermission",
    {"kind": "Dataplane"},
    **{"from": [{"targetRef": {"kind": "MeshSubset", "tags": OF_EDGE[0]["match"]}, "default": {"action": "Allow"}}]},
)


@dataclass
class Gateway:
    """The gateway in the east, as clients outside of the mesh see it."""

    lab: Lab

    async def get(self, path: str, host: str = SHOP, *, by: int = HOST, port: int = HTTP_PORT) -> tuple[int, str]:
        """Status and the zone that answered, or the text of an answer that no workload made; `by` is who is asked."""
        url = f"http://{self.lab.east.address(by)}:{port}{path}"
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT) as session,
            session.get(url, headers={"Host": host}, allow_redirects=False) as answer,
        ):
            if answer.status == 200:
                return 200, (await answer.json())["zone"]
            return answer.status, answer.headers.get("Location") or await answer.text()

    async def get_securely(self, authority: CertificateAuthority) -> tuple[int, str, str]:
        """Status, protocol and what browsers are told of TLS, from a server that the authority vouches for."""
        trust = ssl.create_default_context(cadata=authority.bundle_pem.decode())
        url = f"https://{self.lab.east.address(HOST)}:{HTTPS_PORT}/"
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT) as session,
            session.get(url, headers={"Host": SHOP}, ssl=trust, server_hostname=SHOP) as answer,
        ):
            return answer.status, (await answer.json())["zone"], answer.headers["Strict-Transport-Security"]

    async def answers(self, path: str, status: int) -> None:
        """Waits for a status."""

        async def answered() -> bool:
            return (await self.get(path))[0] == status

        await until(f"{path} answers {status}", answered, PATIENCE)


def secret(authority: CertificateAuthority) -> manifests.Document:
    leaf = LeafIssuer(authority).issue(LeafRequest(dns=(SHOP,)), SystemClock().now_ns())
    data = base64.b64encode(leaf.certificate_pem + leaf.key_pem).decode()
    return {"type": "Secret", "mesh": "default", "name": CERTIFICATE, "data": data}


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return create_named_ca("clients trust it", SystemClock().now_ns())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(lab: Lab, authority: CertificateAuthority) -> AsyncIterator[Gateway]:
    tags = {"kuma.io/service": "edge"}
    document = dataplane(NAME, lab.east, HOST, gateway={"type": "BUILTIN", "tags": tags})
    token = await lab.deployment.token("dataplanes", "dataplane-token")
    async with lab.there(LET_IN, secret(authority), GATEWAY, ROUTE):
        await lab.deployment.start_proxy(lab.east, document, "dataplane", token)
        try:
            await lab.deployment.until_ready(lab.east, NAME, HOST)
            found = Gateway(lab)
            for path in ("/", "/archive/old"):
                await found.answers(path, 200)
            yield found
        finally:
            await lab.processes.stop(NAME)


async def test_requests_are_told_apart_by_host_and_path(gateway: Gateway) -> None:
    assert await gateway.get("/") == (200, "east")
    assert await gateway.get("/archive/old") == (200, "west")
    zones = {(await gateway.get("/both"))[1] for _ in range(40)}
    assert zones == {"east", "west"}
    status, text = await gateway.get("/", "other.example.com")
    assert (status, text) == (404, "This is a Kuma MeshGateway. No routes match this MeshGateway!\n")


async def test_a_certificate_is_shown_and_replaced(gateway: Gateway, authority: CertificateAuthority) -> None:
    assert await gateway.get_securely(authority) == (200, "east", "max-age=31536000; includeSubDomains")
    other = create_named_ca("clients trust this one, too", SystemClock().now_ns())
    await gateway.lab.put(secret(other))

    async def shown() -> bool:
        return (await gateway.get_securely(other))[0] == 200

    await until("the new certificate is shown", shown, PATIENCE)
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await gateway.get_securely(authority)


async def test_requests_beyond_a_rate_are_refused(gateway: Gateway) -> None:
    http = {"requestRate": {"num": 1, "interval": "1h"}, "onRateLimit": {"status": 423}}
    async with gateway.lab.there(policy("MeshRateLimit", EDGE, to=for_all({"local": {"http": http}}))):
        await gateway.answers("/", 423)
    await gateway.answers("/", 200)


async def test_slow_answers_are_not_waited_for(gateway: Gateway) -> None:
    delay = {"http": [{"delay": {"value": "3s", "percentage": 100}}]}
    slow = policy("MeshFaultInjection", {"kind": "Mesh", "proxyTypes": ["Sidecar"]}, **{"from": for_all(delay)})
    impatient = policy("MeshTimeout", EDGE, to=for_all({"http": {"requestTimeout": "0.2s"}}))
    async with gateway.lab.there(impatient, slow):
        await gateway.answers("/", 504)
    await gateway.answers("/", 200)


async def test_newer_routes_take_over(gateway: Gateway) -> None:
    away = {"type": "RequestRedirect", "requestRedirect": {"hostname": "elsewhere.example.com"}}
    rules = [
        {
            "matches": [{"path": {"type": "PathPrefix", "value": "/away"}}],
            "default": {"filters": [away]},
        },
        {
            "matches": [{"path": {"type": "PathPrefix", "value": "/far"}}],
            "default": {"backendRefs": [{"kind": "MeshService", "name": "archive"}]},
        },
    ]
    async with gateway.lab.there(policy("MeshHTTPRoute", EDGE, to=[{"targetRef": {"kind": "Mesh"}, "rules": rules}])):
        await gateway.answers("/away", 302)
        assert await gateway.get("/away/x") == (302, f"http://elsewhere.example.com:{HTTP_PORT}/away/x")
        assert await gateway.get("/far") == (200, "west")
        assert (await gateway.get("/"))[0] == 404
    await gateway.answers("/", 200)


@pytest_asyncio.fixture(loop_scope="session")
async def foreigner(gateway: Gateway) -> AsyncIterator[None]:
    """A client in another mesh with an outbound to the gateway."""
    lab, mesh = gateway.lab, {**MESH, "name": FOREIGNER}
    there = {"kuma.io/service": "edge", "kuma.io/mesh": "default", "open": "to-others"}
    outbound = [{"address": lab.east.address(FOREIGN_HOST), "port": FOREIGN_PORT, "tags": there}]
    inbound = [{"port": 18090, "tags": {"kuma.io/service": "web", "kuma.io/protocol": "http"}}]
    document = dataplane(FOREIGNER, lab.east, FOREIGN_HOST, inbound=inbound, outbound=outbound)

    async def gone() -> bool:
        await lab.delete(mesh)
        return True

    await lab.put(mesh)
    token = await lab.deployment.token(FOREIGNER, "dataplane-token", "--mesh", FOREIGNER)
    await lab.deployment.start_proxy(lab.east, {**document, "mesh": FOREIGNER}, "dataplane", token)
    try:
        await lab.deployment.until_ready(lab.east, FOREIGNER, FOREIGN_HOST)
        yield
    finally:
        await lab.processes.stop(FOREIGNER)
        await until("the other mesh can go", gone, PATIENCE)


async def test_clients_of_another_mesh_enter(gateway: Gateway, foreigner: None) -> None:
    async def entered() -> bool:
        return await gateway.get("/archive", by=FOREIGN_HOST, port=FOREIGN_PORT) == (200, "west")

    await until("the other mesh is answered", entered, PATIENCE)
    with pytest.raises(aiohttp.ClientConnectionError):
        await gateway.get("/", port=OPEN_PORT)
