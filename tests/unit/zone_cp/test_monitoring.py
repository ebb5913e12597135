"""Prometheus learns where metrics are read, and of changes while it waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from tests.golden.xds.harness import Zone, zone
from tests.golden.xds.test_patches import FEW, MESH, dataplane
from ursa.runtime.clock import SystemClock
from ursa.runtime.config import load
from zone_cp.mads.assignments import TYPE_URL
from zone_cp.mads.server import PATH, MonitoringServer

BACKEND = {"name": "p", "type": "prometheus", "conf": {"port": 5670, "path": "/metrics"}}
MEASURED = {**MESH, "metrics": {"enabledBackend": "p", "backends": [BACKEND]}}


@asynccontextmanager
async def asked(*documents: dict[str, Any]) -> AsyncIterator[tuple[Zone, TestClient]]:
    async with zone(documents, FEW) as found:
        settings, metrics = load(None, {}).settings, CollectorRegistry()
        server = MonitoringServer(settings, found.live, found.reconciler, SystemClock(), tls=None, metrics=metrics)
        async with TestClient(TestServer(server.application())) as client:
            yield found, client


async def ask(client: TestClient, known: str = "", *, name: str = "", timeout: str = "0s") -> tuple[int, Any]:
    body = {"version_info": known, "node": {"id": name}, "type_url": "whatever"}
    answer = await client.post(f"{PATH}?fetch-timeout={timeout}", data=orjson.dumps(body))
    text = await answer.read()
    return answer.status, orjson.loads(text) if text else None


def targets(answer: Any) -> dict[str, str]:
    return {
        target["name"]: f"{target['scheme']}://{target['address']}{target['metrics_path']}"
        for assignment in answer.get("resources", ())
        for target in assignment["targets"]
    }


def mesh_metric(name: str, *backends: dict[str, Any], service: str) -> dict[str, Any]:
    spec = {"targetRef": {"kind": "MeshService", "name": service}, "default": {"backends": list(backends)}}
    return {"type": "MeshMetric", "mesh": "default", "name": name, "spec": spec}


def prometheus(**conf: Any) -> dict[str, Any]:
    return {"type": "Prometheus", "prometheus": conf}


async def test_assignments_of_a_mesh_have_labels() -> None:
    async with asked(MEASURED, dataplane("web-1", "10.0.0.2")) as (_, client):
        status, answer = await ask(client)
        assert status == 200
        assert answer["type_url"] == TYPE_URL
        (assignment,) = answer["resources"]
        assert (assignment["@type"], assignment["mesh"], assignment["service"]) == (TYPE_URL, "default", "web")
        (target,) = assignment["targets"]
        assert target["labels"]["kuma_io_services"] == ",web,"
        assert target["labels"]["kuma_io_zone"] == "zone-1"
        assert targets(answer) == {"web-1": "http://10.0.0.2:5670/metrics"}


async def test_proxies_with_a_policy_are_for_the_clients_it_names_and_others_stay() -> None:
    documents = [
        MEASURED,
        dataplane("web-1", "10.0.0.2"),
        dataplane("db-1", "10.0.0.3"),
        dataplane("old-1", "10.0.0.4"),
    ]
    policies = [
        mesh_metric("web", prometheus(clientId="special", port=1, tls={"mode": "ProvidedTLS"}), service="web"),
        mesh_metric("db", prometheus(path="/db"), service="db"),
    ]
    async with asked(*documents, *policies) as (_, client):
        everybody = {"old-1": "http://10.0.0.4:5670/metrics"}
        assert targets((await ask(client, name="special"))[1]) == {"web-1": "https://10.0.0.2:1/metrics"} | everybody
        found = (await ask(client, name="somebody"))[1]
        assert targets(found) == {"db-1": "http://10.0.0.3:5670/db"} | everybody
        assert [one["targets"][0]["labels"] for one in found["resources"] if one["service"] == "db"] == [{}]


async def test_who_knows_everything_waits_for_news() -> None:
    async with asked(MEASURED, dataplane("web-1", "10.0.0.2")) as (found, client):
        version = (await ask(client))[1]["version_info"]
        assert await ask(client, version) == (304, None)
        waiting = asyncio.ensure_future(ask(client, version, timeout="30s"))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await found.put(dataplane("web-2", "10.0.0.3"))
        status, answer = await asyncio.wait_for(waiting, 10)
        assert (status, targets(answer).keys()) == (200, {"web-1", "web-2"})
        await found.delete(dataplane("web-2", "10.0.0.3"))
        _, before = await ask(client, answer["version_info"], timeout="30s")
        assert before["version_info"] == version


async def test_nothing_to_read_and_nonsense() -> None:
    async with asked(MESH, dataplane("web-1", "10.0.0.2")) as (_, client):
        assert "resources" not in (await ask(client))[1]
        assert (await ask(client, timeout="soon"))[1]["title"] == "Could not parse fetch-timeout"
        answer = await client.post(PATH, data=b"{")
        assert (answer.status, (await answer.json())["title"]) == (400, "Could not parse request body")
