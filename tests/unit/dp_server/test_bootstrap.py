"""Every refusal of a bootstrap request has the status on which launchers act, and the text people search for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from ursa.catalog import default_registry
from ursa.model.forms import from_rest
from ursa.runtime.clock import SystemClock
from ursa.runtime.config import load
from ursa.runtime.tls import ReloadedPair, ensure_self_signed
from ursa.store.contract import Create
from ursa.store.memory import MemoryStore
from ursa.view.live import LiveView
from zone_cp.dp_server.bootstrap import bootstrap_application

DATAPLANE = {
    "type": "Dataplane",
    "mesh": "default",
    "name": "web-1",
    "networking": {"address": "10.0.0.1", "inbound": [{"port": 80, "tags": {"kuma.io/service": "web"}}]},
}
WITHOUT_ADDRESS = {"inbound": [{"port": 80, "tags": {"kuma.io/service": "web"}}]}
LEAF = Path(__file__).with_name("leaf.pem")

Ask = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[TestClient]:
    registry, store = default_registry(), MemoryStore(SystemClock())
    await store.open()
    await store.write([Create(from_rest({"type": "Mesh", "name": "default"}, registry))])
    live = LiveView(store)
    await live.load()
    pair = ReloadedPair(ensure_self_signed(tmp_path, SystemClock()))
    async with TestClient(TestServer(bootstrap_application(load(None, {}).settings, live, registry, pair))) as client:
        yield client


@pytest.fixture
def ask(client: TestClient) -> Ask:
    async def ask(host: str = "localhost:5678", **changes: Any) -> tuple[int, str]:
        resource = changes.pop("resource", DATAPLANE)
        document = {
            "mesh": "default",
            "name": "web-1",
            "dataplaneToken": "a.b.c",
            "dataplaneResource": resource if isinstance(resource, str) else json.dumps(resource),
            "features": [],
        }
        headers = {"accept": "application/json", "host": host}
        async with client.post("/bootstrap", json=document | changes, headers=headers) as answer:
            return answer.status, await answer.text()

    return ask


async def test_a_token_is_not_checked_here(ask: Ask) -> None:
    status, text = await ask()
    assert status == 200 and json.loads(text)["kumaSidecarConfiguration"]["networking"]["address"] == "10.0.0.1"


async def test_without_asking_for_json_the_answer_is_yaml(client: TestClient) -> None:
    document = {"dataplaneToken": "a.b.c", "dataplaneResource": json.dumps(DATAPLANE), "unknown": {"key": None}}
    headers = {"accept": "*/*", "host": "localhost"}
    async with client.post("/bootstrap", json=document, headers=headers) as answer:
        assert answer.status == 200 and answer.content_type == "text/x-yaml"
        assert (await answer.text()).startswith("admin:")


@pytest.mark.parametrize(
    ("status", "text", "changes"),
    [
        (422, "Dataplane Token is required. Generate", {"dataplaneToken": ""}),
        (422, "Dataplane Token is required: this", {"dataplaneToken": "", "dataplaneTokenPath": "/token"}),
        (422, 'mesh: mesh "nomesh" does not exist', {"resource": DATAPLANE | {"mesh": "nomesh"}}),
        (422, "networking.address: address can't be empty", {"resource": DATAPLANE | {"networking": WITHOUT_ADDRESS}}),
        (
            422,
            "outbound: should be empty since dataplane is in Transparent Proxying mode",
            {
                "resource": DATAPLANE
                | {
                    "networking": {
                        **DATAPLANE["networking"],  # type: ignore[dict-item]
                        "outbound": [{"port": 81, "tags": {"kuma.io/service": "b"}}],
                        "transparentProxying": {"redirectPortInbound": 15006, "redirectPortOutbound": 15001},
                    }
                }
            },
        ),
        (400, 'A data plane proxy is trying to connect to the control plane using "cp" address', {"host": "cp:5678"}),
        (404, "", {"resource": "", "name": "unknown"}),
        (500, "", {"resource": "{"}),
        (500, "", {"resource": {"type": "Mesh", "name": "m"}}),
        (500, "", {"proxyType": "router"}),
        (500, "", {"caCert": "garbage"}),
        (400, "features", {"features": 7}),
    ],
)
async def test_refusals(ask: Ask, status: int, text: str, changes: dict[str, Any]) -> None:
    actual = await ask(**changes)
    assert actual[0] == status
    assert actual[1].startswith(text) if text else actual[1] == ""


async def test_an_authority_that_is_none_is_refused(ask: Ask) -> None:
    status, text = await ask(caCert=LEAF.read_text())
    assert status == 400 and "which is not a certificate authority" in text


async def test_other_requests(client: TestClient) -> None:
    async with client.post("/bootstrap", data=b"{") as answer:
        assert (answer.status, await answer.text()) == (400, "")
    async with client.get("/bootstrap") as answer:
        assert (answer.status, await answer.text()) == (400, "")
    async with client.get("/other") as answer:
        assert (answer.status, await answer.text()) == (404, "404 page not found\n")


@pytest.mark.parametrize(
    ("feature", "kind"),
    [("feature-delta-grpc", "DELTA_GRPC"), ("feature-delta-grpc-node-once", "DELTA_GRPC"), ("other", "GRPC")],
)
async def test_incremental_discovery_is_what_the_launcher_asks_for(client: TestClient, feature: str, kind: str) -> None:
    document = {"dataplaneToken": "a.b.c", "dataplaneResource": json.dumps(DATAPLANE), "features": [feature]}
    async with client.post("/bootstrap", json=document, headers={"host": "localhost"}) as answer:
        assert f"apiType: {kind}\n" in await answer.text()
