"""MeshServices of both zones, MeshMultiZoneServices and routes between them carry real traffic over mutual TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from deploy.demo import manifests
from deploy.demo.waiting import until
from tests.e2e.lab import PORTS, SPARE, TIMEOUT, Answer, Lab, dataplane

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

PATIENCE = 60.0
NAME = "caller"
(MESH,) = (d for d in manifests.mesh() if d["type"] == "Mesh")

NEAR, FAR, ANYWHERE, ECHO = 10180, 10181, 10182, 10183
"""Ports of the caller's outbounds."""


def meshservice(service: str, zone: str) -> dict[str, Any]:
    """A reference to a zone's MeshService; names of what was synced are others."""
    return {"kind": "MeshService", "labels": {"kuma.io/display-name": service, "kuma.io/zone": zone}}


EVERYWHERE: manifests.Document = {
    "type": "MeshMultiZoneService",
    "mesh": "default",
    "name": "backend-anywhere",
    "spec": {
        "selector": {"meshService": {"matchLabels": {"kuma.io/display-name": "backend"}}},
        "ports": [{"port": 80, "appProtocol": "http"}, {"port": PORTS["backend"], "appProtocol": "http"}],
    },
}


@dataclass
class Caller:
    """A client in the east whose outbounds lead to real services."""

    lab: Lab

    @property
    def document(self) -> manifests.Document:
        """Its Dataplane."""
        address = self.lab.east.address(SPARE)
        anywhere = {"kind": "MeshMultiZoneService", "labels": {"kuma.io/display-name": "backend-anywhere"}}
        references = {
            NEAR: {"kind": "MeshService", "name": "backend", "port": PORTS["backend"]},
            FAR: {**meshservice("backend", "west"), "port": PORTS["backend"]},
            ANYWHERE: {**anywhere, "port": PORTS["backend"]},
            ECHO: {"kind": "MeshService", "name": "echo", "port": PORTS["echo"]},
        }
        outbound = [{"address": address, "port": port, "backendRef": ref} for port, ref in references.items()]
        # Who is permitted is told by the service's tag.
        inbound = [{"port": 18090, "tags": {"kuma.io/service": "web", "kuma.io/protocol": "http"}}]
        return dataplane(NAME, self.lab.east, SPARE, inbound=inbound, outbound=outbound)

    async def get(self, port: int, path: str = "/") -> Answer:
        """An HTTP request on a connection of its own."""
        url = f"http://{self.lab.east.address(SPARE)}:{port}{path}"
        try:
            async with aiohttp.ClientSession(timeout=TIMEOUT) as session, session.get(url) as answer:
                return Answer(answer.status, await answer.json() if answer.status == 200 else {})
        except aiohttp.ClientConnectorError:
            return Answer(0)

    async def answers(self, port: int, zone: str, path: str = "/") -> bool:
        """Whether a zone answers."""
        return (await self.get(port, path)).zone == zone

    async def say(self, text: bytes) -> bytes:
        """What the echo answers."""
        return await self.lab.say(text, SPARE, port=ECHO)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def caller(lab: Lab) -> AsyncIterator[Caller]:
    found = Caller(lab)
    await lab.put({**MESH, "meshServices": {"mode": "Everywhere"}})
    await lab.put(EVERYWHERE)
    token = await lab.deployment.token("dataplanes", "dataplane-token")
    await lab.deployment.start_proxy(lab.east, found.document, "dataplane", token)
    try:
        await lab.deployment.until_ready(lab.east, NAME, SPARE)
        for port, zone in ((NEAR, "east"), (FAR, "west"), (ANYWHERE, "east")):
            await until(f"{zone} answers at {port}", lambda p=port, z=zone: found.answers(p, z), PATIENCE)
        yield found
    finally:
        await lab.processes.stop(NAME)
        await lab.delete(EVERYWHERE)
        await lab.put(MESH)


@asynccontextmanager
async def routed(caller: Caller, kind: str, to: dict[str, Any], *rules: dict[str, Any]) -> AsyncIterator[None]:
    """A route at the global while the context is open."""
    spec = {"targetRef": {"kind": "Mesh"}, "to": [{"targetRef": to, "rules": list(rules)}]}
    document = {"type": kind, "mesh": "default", "name": "elsewhere", "spec": spec}
    await caller.lab.put(document)
    try:
        yield
    finally:
        await caller.lab.delete(document)


def http_rule(path: str, *refs: dict[str, Any], **default: Any) -> dict[str, Any]:
    """A rule for the requests below a path."""
    return {
        "matches": [{"path": {"type": "PathPrefix", "value": path}}],
        "default": {"backendRefs": list(refs), **default},
    }


async def test_each_zone_answers_for_its_own_service(caller: Caller) -> None:
    near, far = await caller.get(NEAR), await caller.get(FAR)
    assert (near.zone, far.zone) == ("east", "west")
    for answer in (near, far):
        assert "URI=spiffe://default/web" in answer.document["headers"]["x-forwarded-client-cert"]


async def test_a_tcp_port_carries_bytes(caller: Caller) -> None:
    assert await caller.say(b"hello") == b"east:hello"


async def test_a_multi_zone_service_is_at_home_until_there_is_none(caller: Caller) -> None:
    assert {(await caller.get(ANYWHERE)).zone for _ in range(5)} == {"east"}
    workload = caller.lab.workloads["backend", "east"]
    await workload.stop()
    try:
        await until("the west answers", lambda: caller.answers(ANYWHERE, "west"), PATIENCE)
        assert {(await caller.get(ANYWHERE)).zone for _ in range(5)} == {"west"}
    finally:
        await workload.start()
    await until("the east answers again", lambda: caller.answers(ANYWHERE, "east"), PATIENCE)


async def test_a_route_leads_requests_to_another_zone(caller: Caller) -> None:
    away = {**meshservice("backend", "west"), "port": PORTS["backend"], "weight": 1}
    changed = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-way", "value": "far"}]}}
    lost = {**meshservice("nowhere", "west"), "port": 80, "weight": 1}
    rules = http_rule("/far", away, filters=[changed]), http_rule("/lost", lost)
    async with routed(caller, "MeshHTTPRoute", meshservice("backend", "east"), *rules):
        await until("the west answers below /far", lambda: caller.answers(NEAR, "west", "/far/away"), PATIENCE)
        answer = await caller.get(NEAR, "/far")
        assert (answer.zone, answer.document["headers"]["x-way"]) == ("west", "far")
        assert (await caller.get(NEAR, "/farther")).zone == "east", "a prefix ends where a part of the path does"
        assert (await caller.get(NEAR, "/lost")).status == 500
    await until("the east answers as before", lambda: caller.answers(NEAR, "east", "/far"), PATIENCE)


async def test_a_route_leads_connections_to_another_zone(caller: Caller) -> None:
    away = {**meshservice("echo", "west"), "port": PORTS["echo"], "weight": 1}

    async def says(answer: bytes) -> bool:
        return await caller.say(b"hello") == answer

    async with routed(caller, "MeshTCPRoute", meshservice("echo", "east"), {"default": {"backendRefs": [away]}}):
        await until("the west echoes", lambda: says(b"west:hello"), PATIENCE)
    await until("the east echoes again", lambda: says(b"east:hello"), PATIENCE)
