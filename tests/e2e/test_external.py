"""Services reach servers outside of the mesh: straight, by the zone's egress, or by the only zone that can."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from deploy.demo import manifests
from deploy.demo.waiting import until
from tests.e2e.lab import STRANGER, Answer, Lab
from tests.e2e.outside import CALLER, HOST, Outside, outside
from ursa.identity.ca import create_named_ca
from ursa.runtime.clock import SystemClock

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

PATIENCE = 60.0
SERVERS = 200
(MESH,) = (d for d in manifests.mesh() if d["type"] == "Mesh")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def servers(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Outside]:
    async with outside(lab.east.address(SERVERS), tmp_path_factory.mktemp("outside")) as found:
        yield found


def mesh_external(name: str, match: int, address: str, port: int, **spec: Any) -> manifests.Document:
    """A MeshExternalService that speaks HTTP; `match` is the port by which the lab's clients mean it."""
    to = {"match": {"type": "HostnameGenerator", "port": match, "protocol": "http"}}
    spec = {**to, "endpoints": [{"address": address, "port": port}], **spec}
    return {"type": "MeshExternalService", "mesh": "default", "name": name, "spec": spec}


def external(servers: Outside, **tags: str) -> manifests.Document:
    """An ExternalService that speaks HTTP over TLS."""
    tls = {"enabled": True, "serverName": HOST, "caCert": {"inlineString": servers.authority.bundle_pem.decode()}}
    return {
        "type": "ExternalService",
        "mesh": "default",
        "name": "far-away",
        "tags": {"kuma.io/service": "far-away", "kuma.io/protocol": "http", **tags},
        "networking": {"address": f"{servers.address}:{servers.secure_port}", "tls": tls},
    }


PERMISSION = {
    "type": "TrafficPermission",
    "mesh": "default",
    "name": "web-to-far-away",
    "sources": [{"match": {"kuma.io/service": "web"}}],
    "destinations": [{"match": {"kuma.io/service": "far-away"}}],
}


@asynccontextmanager
async def routed(lab: Lab, **routing: bool) -> AsyncIterator[None]:
    """The mesh with other routing while the context is open."""
    await lab.put({**MESH, "routing": {**MESH["routing"], **routing}})
    try:
        yield
    finally:
        await lab.put(MESH)


async def eventually(lab: Lab, service: str, status: int, host: int | None = None) -> Answer:
    """The answer of a service outside of the mesh, once it has this status."""
    last = Answer(0)

    async def as_expected() -> bool:
        nonlocal last
        last = await (lab.get(service) if host is None else lab.get(service, host))
        return last.status == status

    await until(f"{service} answers with {status}", as_expected, PATIENCE)
    return last


async def test_an_http_server_is_reached_by_the_egress(lab: Lab, servers: Outside) -> None:
    async with lab.there(mesh_external("plain", 9000, servers.address, servers.plain_port)):
        answer = await eventually(lab, "plain", 200)
        assert answer.document == {"zone": "outside", "secure": False, "client": []}
        assert await through(lab, "egress-east", "extsvc")
    assert (await lab.get("backend")).zone == "east"


async def test_the_egress_begins_the_tls_that_a_server_wants(lab: Lab, servers: Outside) -> None:
    inline = {"inlineString": servers.authority.bundle_pem.decode()}
    verification = {
        "caCert": inline,
        "serverName": HOST,
        "clientCert": {"inlineString": servers.client.certificate_pem.decode()},
        "clientKey": {"inlineString": servers.client.key_pem.decode()},
    }

    def secure(**changes: Any) -> manifests.Document:
        tls = {"enabled": True, "version": {"min": "TLS12"}, "verification": {**verification, **changes}}
        return mesh_external("secure", 9443, servers.address, servers.secure_port, tls=tls)

    async with lab.there(secure()):
        answer = await eventually(lab, "secure", 200)
        assert answer.document == {"zone": "outside", "secure": True, "client": [CALLER]}
        stranger = create_named_ca("somebody else", SystemClock().now_ns()).bundle_pem.decode()
        await lab.put(secure(caCert={"inlineString": stranger}))
        await eventually(lab, "secure", 503)
        await lab.put(secure(caCert={"inlineString": stranger}, mode="SkipCA"))
        await eventually(lab, "secure", 200)
        await lab.put(secure(serverName="other.example"))
        await eventually(lab, "secure", 503)
        await lab.put(secure(serverName="other.example", mode="SkipSAN"))
        await eventually(lab, "secure", 200)


async def test_a_mesh_may_forbid_what_is_outside(lab: Lab, servers: Outside) -> None:
    async with lab.there(mesh_external("plain", 9000, servers.address, servers.plain_port)):
        await eventually(lab, "plain", 200)
        async with routed(lab, defaultForbidMeshExternalServiceAccess=True):
            await eventually(lab, "plain", 403)
        await eventually(lab, "plain", 200)


async def test_a_sidecar_reaches_a_server_by_itself_when_it_may(lab: Lab, servers: Outside) -> None:
    async with lab.there(external(servers)):
        await eventually(lab, "far-away", 503)
        async with lab.there(PERMISSION):
            answer = await eventually(lab, "far-away", 200)
            assert answer.document == {"zone": "outside", "secure": True, "client": []}
            assert (await lab.get("far-away", STRANGER)).status == 503
        await eventually(lab, "far-away", 503)


async def test_the_egress_knows_who_may_use_a_server(lab: Lab, servers: Outside) -> None:
    name = "default_far-away"
    async with routed(lab, zoneEgress=True), lab.there(external(servers)):
        await eventually(lab, "far-away", 503)
        async with lab.there(PERMISSION):
            await eventually(lab, "far-away", 200)
            assert (await lab.get("far-away", STRANGER)).status == 503
            assert await through(lab, "egress-east", name)
        allow = {"targetRef": {"kind": "MeshService", "name": "stranger"}, "default": {"action": "Allow"}}
        spec = {"targetRef": {"kind": "MeshService", "name": "far-away"}, "from": [allow]}
        newer = {"type": "MeshTrafficPermission", "mesh": "default", "name": "stranger-far-away", "spec": spec}
        async with lab.there(newer):
            await eventually(lab, "far-away", 200, STRANGER)
            await eventually(lab, "far-away", 403)


async def test_a_server_that_only_the_other_zone_reaches(lab: Lab, servers: Outside) -> None:
    """On the way there are the egress here, the ingress there and the egress there, which ends the mesh's TLS."""
    name = "default_far-away"
    assert not await through(lab, "ingress-west", name)
    async with routed(lab, zoneEgress=True), lab.there(external(servers, **{"kuma.io/zone": "west"}), PERMISSION):
        answer = await eventually(lab, "far-away", 200)
        assert answer.document["secure"]
        for proxy in ("egress-east", "ingress-west", "egress-west"):
            assert await through(lab, proxy, name), f"{proxy} was not on the way"


async def through(lab: Lab, proxy: str, cluster: str) -> int:
    """How many connections a zone proxy made to clusters of which this is part of the name."""
    return sum((await lab.stats(proxy, f"cluster.*{cluster}.*upstream_cx_total$")).values())
