"""Objects over the API: create, replace, read, list, delete, and what is said when that is not possible."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from typing import Any

import pytest

from tests.unit.api.conftest import ControlPlane, Start
from ursa.model.resource import Resource
from ursa.store.contract import Create, Update, Write

TIMEOUT: dict[str, Any] = {
    "type": "MeshTimeout",
    "mesh": "default",
    "name": "t",
    "spec": {
        "targetRef": {"kind": "Mesh"},
        "to": [{"targetRef": {"kind": "Mesh"}, "default": {"connectionTimeout": "3s"}}],
    },
}
PATH = "/meshes/default/meshtimeouts/t"


async def test_a_resource_is_created_replaced_read_and_deleted(zone: ControlPlane) -> None:
    assert await zone.put(PATH, TIMEOUT) == (201, {})
    assert await zone.put(PATH, TIMEOUT) == (200, {})
    status, found = await zone.get(PATH)
    assert status == 200
    assert found["spec"] == TIMEOUT["spec"]
    assert found["kri"] == "kri_mt_default_default__t_"
    assert found["labels"] == {
        "kuma.io/env": "universal",
        "kuma.io/mesh": "default",
        "kuma.io/origin": "zone",
        "kuma.io/zone": "default",
    }
    assert await zone.call("DELETE", PATH) == (200, {})
    assert (await zone.get(PATH))[0] == 404


async def test_an_unchanged_write_keeps_the_revision(zone: ControlPlane) -> None:
    first = await zone.client.put(PATH, json=TIMEOUT)
    second = await zone.client.put(PATH, json=TIMEOUT)
    assert first.headers["X-Ursa-Revision"] == second.headers["X-Ursa-Revision"]
    assert (first.headers["X-Ursa-Changed"], second.headers["X-Ursa-Changed"]) == ("true", "false")


async def test_a_dry_run_checks_everything_and_writes_nothing(zone: ControlPlane) -> None:
    assert await zone.put(PATH + "?dryRun=true", TIMEOUT) == (201, {})
    assert (await zone.get(PATH))[0] == 404
    status, _ = await zone.put(PATH + "?dryRun=true", {**TIMEOUT, "spec": {}})
    assert status == 400


async def test_lists_are_paged_and_next_leads_on(zone: ControlPlane) -> None:
    for number in range(5):
        assert (await zone.put(f"/meshes/m{number}", {"type": "Mesh", "name": f"m{number}"}))[0] == 201
    status, page = await zone.get("/meshes?size=4")
    assert (status, page["total"], len(page["items"])) == (200, 6, 4)
    status, rest = await zone.get(page["next"].partition(str(zone.client.port))[2])
    assert [m["name"] for m in rest["items"]] == ["m3", "m4"]
    assert rest["next"] is None


@pytest.mark.parametrize("query", ["size=-1", "size=x", "offset=-1", "size=1001", "filter[name]=a"])
async def test_bad_list_parameters_are_refused(zone: ControlPlane, query: str) -> None:
    status, problem = await zone.get(f"/meshes?{query}")
    assert status == 400
    assert problem["title"] == "Could not retrieve resources"


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/nope", 404, "404: Page Not Found"),
        ("GET", "/meshes/default/nopes", 404, "404: Page Not Found"),
        ("GET", "/meshes/default/meshtimeouts/a%2Fb", 404, "404: Page Not Found"),
        ("PATCH", "/meshes/default", 405, "405: Method Not Allowed"),
        ("HEAD", "/meshes", 405, ""),
        ("PUT", "/meshes/default/meshtimeouts/", 405, "405: Method Not Allowed"),
        ("PUT", "/meshes/default", 415, "415: Unsupported Media Type"),
    ],
)
async def test_the_router_answers_in_plain_text(
    zone: ControlPlane, method: str, path: str, status: int, text: str
) -> None:
    response = await zone.client.request(method, path)
    assert (response.status, await response.text()) == (status, text)


async def test_broken_and_huge_bodies_do_no_harm(zone: ControlPlane) -> None:
    headers = {"Content-Type": "application/json"}
    for body in (b"", b"{", b"[]", b"null", b"type: Mesh", b"\xff\xfe", b"[" * 100_000):
        response = await zone.client.put("/meshes/m", data=body, headers=headers)
        assert response.status == 400, body[:10]
    response = await zone.client.put("/meshes/m", data=io.BytesIO(b"x" * (17 << 20)), headers=headers)
    assert response.status == 413
    assert (await zone.get("/"))[0] == 200


async def test_unknown_meshes_and_kinds_are_named(zone: ControlPlane) -> None:
    status, problem = await zone.put("/meshes/nope/meshtimeouts/t", {**TIMEOUT, "mesh": "nope"})
    assert (status, problem["title"]) == (404, "Failed to retrieve Mesh")
    status, problem = await zone.put(PATH, {**TIMEOUT, "type": "Nope"})
    assert problem["invalid_parameters"][0]["reason"] == "type in body should be one of [MeshTimeout]"


async def test_a_mesh_brings_its_key_authority_and_policies(zone: ControlPlane) -> None:
    mtls = {"enabledBackend": "ca-1", "backends": [{"name": "ca-1", "type": "builtin"}]}
    assert await zone.put("/meshes/m", {"type": "Mesh", "name": "m", "mtls": mtls}) == (201, {})
    _, secrets = await zone.get("/meshes/m/secrets")
    assert [s["name"] for s in secrets["items"]] == [
        "dataplane-token-signing-key-m-1",
        "m.ca-builtin-cert-ca-1",
        "m.ca-builtin-key-ca-1",
    ]
    _, timeouts = await zone.get("/meshes/m/meshtimeouts")
    assert [t["name"] for t in timeouts["items"]] == ["mesh-gateways-timeout-all-m", "mesh-timeout-all-m"]
    status, problem = await zone.call("DELETE", "/meshes/m/secrets/m.ca-builtin-key-ca-1")
    assert (status, problem["title"]) == (400, "Could not delete a resource")
    assert await zone.call("DELETE", "/meshes/m") == (200, {})
    assert zone.live.current.count("Secret", "m") == 0


async def test_a_mesh_with_proxies_is_not_deleted(zone: ControlPlane) -> None:
    inbound = {"port": 80, "tags": {"kuma.io/service": "a"}, "serviceProbe": {"tcp": {}}}
    body = {
        "type": "Dataplane",
        "mesh": "default",
        "name": "d",
        "networking": {"address": "1.1.1.1", "inbound": [inbound]},
    }
    assert (await zone.put("/meshes/default/dataplanes/d", body))[0] == 201
    _, found = await zone.get("/meshes/default/dataplanes/d")
    stored = found["networking"]["inbound"][0]
    assert stored["tags"]["kuma.io/zone"] == "default"
    assert stored["state"] == "NotReady"
    assert found["labels"]["kuma.io/proxy-type"] == "sidecar"
    assert (await zone.call("DELETE", "/meshes/default"))[0] == 400


async def test_constraints_of_a_mesh_are_answered_with_a_field(zone: ControlPlane) -> None:
    constraints = {"dataplaneProxy": {"restrictions": [{"tags": {"team": "x"}}]}}
    await zone.put("/meshes/m", {"type": "Mesh", "name": "m", "constraints": constraints})
    inbound = {"port": 80, "tags": {"kuma.io/service": "a", "team": "x"}}
    body = {"type": "Dataplane", "mesh": "m", "name": "d", "networking": {"address": "1.1.1.1", "inbound": [inbound]}}
    status, problem = await zone.put("/meshes/m/dataplanes/d", body)
    assert (status, problem["title"]) == (400, "Failed to create a resource")
    assert problem["invalid_parameters"][0]["field"] == "networking.inbound[0].tags"


@pytest.mark.parametrize(
    ("variables", "path", "body", "status"),
    [
        ({"MODE": "global"}, "/meshes/default/dataplanes/d", {"type": "Dataplane", "name": "d"}, 405),
        ({"MODE": "global"}, PATH, TIMEOUT, 201),
        ({"MODE": "global"}, PATH, {**TIMEOUT, "labels": {"kuma.io/origin": "zone"}}, 400),
        (
            {"MODE": "global", "MULTIZONE_ZONE_DISABLE_ORIGIN_LABEL_VALIDATION": "true"},
            PATH,
            {**TIMEOUT, "labels": {"kuma.io/origin": "zone"}},
            201,
        ),
        ({"API_SERVER_READ_ONLY": "true"}, PATH, TIMEOUT, 405),
        ({"MULTIZONE_ZONE_GLOBAL_ADDRESS": "grpcs://g:5685"}, "/meshes/m", {"type": "Mesh", "name": "m"}, 405),
    ],
)
async def test_where_a_kind_may_be_written(
    start: Start, variables: dict[str, str], path: str, body: dict[str, Any], status: int
) -> None:
    assert (await (await start(**variables)).put(path, body))[0] == status


async def test_kubernetes_form(zone: ControlPlane) -> None:
    await zone.put(PATH, TIMEOUT)
    _, found = await zone.get(PATH + "?format=k8s&namespace=foo")
    assert (found["kind"], found["metadata"]["namespace"]) == ("MeshTimeout", "foo")
    status, problem = await zone.get(PATH + "?format=xml")
    assert (status, problem["invalid_parameters"][0]["field"]) == (400, "")


async def test_times_and_versions_survive_concurrent_writers(zone: ControlPlane) -> None:
    answers = await asyncio.gather(*(zone.put(PATH, TIMEOUT) for _ in range(10)))
    assert {status for status, _ in answers} <= {200, 201, 409}
    assert sum(status == 201 for status, _ in answers) == 1


@pytest.mark.parametrize(("there", "detail"), [(False, "resource already exists"), (True, "resource conflict")])
async def test_the_slower_of_two_writers_is_told_so(
    zone: ControlPlane, monkeypatch: pytest.MonkeyPatch, there: bool, detail: str
) -> None:
    """Somebody else writes the same object between our look at the store and our write."""
    path = "/meshes/m"
    if there:
        await zone.put(path, {"type": "Mesh", "name": "m"})
    write = zone.store.write

    async def overtaken(writes: Sequence[Write]) -> tuple[int, tuple[Resource, ...]]:
        monkeypatch.setattr(zone.store, "write", write)
        other = Resource("Mesh", "", "m", {"routing": {"localityAwareLoadBalancing": True}})
        await write([Update(other) if there else Create(other)])
        return await write(writes)

    monkeypatch.setattr(zone.store, "write", overtaken)
    body = {"type": "Mesh", "name": "m", "networking": {"outbound": {"passthrough": False}}}
    status, problem = await zone.put(path, body)
    assert (status, problem["title"]) == (409, "Conflict")
    assert problem["detail"] == f'{detail}: type="Mesh" name="m" mesh=""'
    assert (await zone.put(path, body))[0] == 200, "trying again helps"
