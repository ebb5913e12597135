"""The description of the API: complete, and true of every recorded object."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from tests.unit.api.conftest import ControlPlane, Start
from tests.unit.api.recordings import SHARED, recording, titles


@pytest.fixture
async def described(zone: ControlPlane) -> dict[str, Any]:
    """The document."""
    status, document = await zone.get("/openapi.json")
    assert status == 200
    return dict(document)


async def test_every_call_is_described_once(described: dict[str, Any]) -> None:
    operations = [(path, method) for path, item in described["paths"].items() for method in item]
    identifiers = [described["paths"][path][method]["operationId"] for path, method in operations]
    assert len(set(identifiers)) == len(identifiers)
    for path, method in (
        ("/", "get"),
        ("/meshes/{name}", "put"),
        ("/meshes/{mesh}/meshtimeouts", "get"),
        ("/meshes/{mesh}/meshtimeouts/{name}", "delete"),
        ("/zone-ingresses/{name}", "get"),
        ("/meshes/{mesh}/dataplanes/{name}/_overview", "get"),
        ("/meshes/{mesh}/meshtimeouts/{name}/_resources/dataplanes", "get"),
        ("/tokens/user", "post"),
        ("/openapi.json", "get"),
    ):
        assert (path, method) in operations
    assert not [path for path in described["paths"] if "|" in path or ":" in path or "\\" in path]


async def test_what_a_kind_is_written_with_is_described(described: dict[str, Any]) -> None:
    put = described["paths"]["/meshes/{mesh}/meshtimeouts/{name}"]["put"]
    assert put["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/MeshTimeout"}
    assert {p["name"] for p in put["parameters"]} == {"mesh", "name", "dryRun", "If-Match"}
    listed = described["paths"]["/meshes/{mesh}/dataplanes"]["get"]
    assert {p["name"] for p in listed["parameters"]} >= {"size", "offset", "name", "tag", "gateway"}


async def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    def references(part: Any) -> set[str]:
        if isinstance(part, dict):
            own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
            return own.union(*(references(inner) for inner in part.values()))
        return set().union(*(references(inner) for inner in part)) if isinstance(part, list) else set()

    known = {f"#/components/schemas/{name}" for name in described["components"]["schemas"]}
    assert references(described["paths"]) | references(described["components"]) <= known


@pytest.mark.skipif(SHARED is None, reason="recordings are not present")
async def test_every_recorded_object_is_as_described(described: dict[str, Any]) -> None:
    wrong = []
    for title in titles("kinds"):
        item = recording(title).answer
        if ".k8s" in title or not isinstance(item, dict):
            continue
        schema = {"$ref": f"#/components/schemas/{item['type']}", "components": described["components"]}
        wrong += [(title, error.message) for error in Draft202012Validator(schema).iter_errors(item)]
    assert not wrong
    no_timeout = {"type": "MeshTimeout", "name": "x", "mesh": "default", "spec": {"targetRef": {"kind": "Nonsense"}}}
    schema = {"$ref": "#/components/schemas/MeshTimeout", "components": described["components"]}
    assert not Draft202012Validator(schema).is_valid(no_timeout)


async def test_a_base_path_is_told(start: Start) -> None:
    plane = await start(API_SERVER_BASE_PATH="/api/v0")
    _, document = await plane.get("/api/v0/openapi.json")
    assert document["servers"] == [{"url": "/api/v0"}]
