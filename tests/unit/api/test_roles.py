"""Roles for ordinary resources, and the log of who wrote what."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.unit.api.conftest import ControlPlane, Start

REMOTE = {"X-Forwarded-For": "1.2.3.4"}
BINDINGS = """
access:
  roles:
    enabled: true
    bindings:
    - {role: reader, groups: [everybody], meshes: [demo, "team-*"]}
    - {role: editor, users: [ed], meshes: [demo]}
    - {role: admin, users: [ada], meshes: [demo]}
    - {role: admin, groups: [ops]}
"""


@pytest.fixture
async def guarded(start: Start, tmp_path: Path) -> ControlPlane:
    """A zone with roles and two more meshes."""
    file = tmp_path / "config.yaml"
    file.write_text(BINDINGS)
    plane = await start(file=str(file), API_SERVER_AUDIT_FILE=str(tmp_path / "audit.jsonl"))
    for mesh in ("demo", "team-a"):
        assert (await plane.put(f"/meshes/{mesh}", {"type": "Mesh", "name": mesh}))[0] == 201
    return plane


async def bearer(plane: ControlPlane, name: str, *groups: str) -> dict[str, str]:
    """Headers of a remote caller with a token; without a name, of one without."""
    if not name:
        return REMOTE
    body = {"name": name, "groups": list(groups), "validFor": "1h"}
    _, token = await plane.call("POST", "/tokens/user", body)
    return {**REMOTE, "Authorization": f"Bearer {token}"}


def timeout(mesh: str) -> dict[str, Any]:
    spec = {"targetRef": {"kind": "Mesh"}, "to": [{"targetRef": {"kind": "Mesh"}, "default": {"idleTimeout": "1s"}}]}
    return {"type": "MeshTimeout", "mesh": mesh, "name": "t", "spec": spec}


ZONE = {"type": "Zone", "name": "z"}
CALLERS = {
    "nobody": ("",),
    "stranger": ("stan",),
    "reader": ("rita", "everybody"),
    "editor": ("ed",),
    "mesh admin": ("ada",),
    "operator": ("olga", "ops"),
    "administrator": ("mesh-system:admin",),
}
READS = {
    "/meshes/demo/meshtimeouts": {"reader", "editor", "mesh admin", "operator", "administrator"},
    "/meshes/demo": {"reader", "editor", "mesh admin", "operator", "administrator"},
    "/meshes/team-a/dataplanes/_overview": {"reader", "operator", "administrator"},
    "/meshes/default/meshtimeouts": {"operator", "administrator"},
    "/mesh-insights/default": {"operator", "administrator"},
    "/_kri/kri_mt_default___mesh-timeout-all-default_": {"operator", "administrator"},
    "/_kri/kri_m____default_": {"operator", "administrator"},
    "/zones": {"reader", "editor", "mesh admin", "operator", "administrator"},
    "/global-insight": {"reader", "editor", "mesh admin", "operator", "administrator"},
    "/": set(CALLERS),
    "/who-am-i": set(CALLERS),
    "/config": set(CALLERS),
    "/globalsecrets": {"administrator"},
}
WRITES = {
    "/meshes/demo/meshtimeouts/t": (timeout("demo"), {"editor", "mesh admin", "operator", "administrator"}),
    "/meshes/team-a/meshtimeouts/t": (timeout("team-a"), {"operator", "administrator"}),
    "/meshes/demo": ({"type": "Mesh", "name": "demo"}, {"mesh admin", "operator", "administrator"}),
    "/meshes/new": ({"type": "Mesh", "name": "new"}, {"operator", "administrator"}),
    "/zones/z": (ZONE, {"operator", "administrator"}),
}


@pytest.mark.parametrize("who", CALLERS)
async def test_each_role_does_what_it_may_and_nothing_else(guarded: ControlPlane, who: str) -> None:
    headers = await bearer(guarded, *CALLERS[who])
    for path, allowed in READS.items():
        status, answer = await guarded.call("GET", path, **headers)
        assert status == (200 if who in allowed else 403), (path, answer)
    for path, (body, allowed) in WRITES.items():
        for method, sent in (("PUT", body), ("DELETE", None)):
            status, answer = await guarded.call(method, path, sent, **headers)
            assert (status in (200, 201)) if who in allowed else status == 403, (method, path, answer)
        if who in allowed and path == "/meshes/demo":
            assert (await guarded.put(path, body))[0] == 201


async def test_lists_over_all_meshes_show_what_the_caller_may_see(guarded: ControlPlane) -> None:
    reader = await bearer(guarded, "rita", "everybody")
    for path, key in (("/meshtimeouts", "mesh"), ("/meshes", "name"), ("/mesh-insights", "name")):
        _, page = await guarded.call("GET", path, **reader)
        assert {item[key] for item in page["items"]} == {"demo", "team-a"}
        assert page["total"] == len(page["items"])
    tried = await guarded.call("PUT", "/meshes/demo/meshtimeouts/t?dryRun=true", timeout("demo"), **reader)
    assert tried[0] == 201, "who may read may ask what would happen"


async def test_a_binding_that_says_something_else_stops_the_start(start: Start, tmp_path: Path) -> None:
    from ursa.errors import ConfigError

    file = tmp_path / "config.yaml"
    file.write_text("access: {roles: {bindings: [{role: reader, user: [typo]}]}}\n")
    with pytest.raises(ConfigError, match=r"access\.roles\.bindings\.0\.user"):
        await start(file=str(file))


async def test_every_write_is_noted_with_its_author_and_no_secret(
    guarded: ControlPlane, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ursa.api.audit")
    file = tmp_path / "audit.jsonl"
    editor = await bearer(guarded, "ed")
    file.unlink()
    path, body = "/meshes/demo/meshtimeouts/t", timeout("demo")
    await guarded.call("PUT", path, body, **editor)
    body["spec"]["to"][0]["default"]["idleTimeout"] = "2s"
    await guarded.call("PUT", path, body, **editor)
    await guarded.call("PUT", path, body, **editor)
    await guarded.call("PUT", "/zones/z", ZONE, **editor)
    await guarded.call("DELETE", path, **editor)
    for data in ("aGVsbG8=", "c2VjcmV0"):
        secret = {"type": "Secret", "mesh": "demo", "name": "s", "data": data}
        await guarded.put("/meshes/demo/secrets/s", secret)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["user"], line["operation"]) for line in lines] == [
        ("ed", "created"),
        ("ed", "updated"),
        ("ed", "unchanged"),
        ("ed", "refused"),
        ("ed", "deleted"),
        ("mesh-system:admin", "created"),
        ("mesh-system:admin", "updated"),
    ]
    assert lines[1]["changed"] == ["/spec/to/0/default/idleTimeout"]
    assert lines[0]["revision"] < lines[1]["revision"] == lines[2]["revision"] < lines[4]["revision"]
    assert lines[3]["reason"] == 'user "ed/mesh-system:authenticated" cannot write outside meshes'
    assert lines[6]["changed"] == ["/spec/data"]
    assert "c2VjcmV0" not in file.read_text() + caplog.text
    assert file.stat().st_mode & 0o077 == 0
    assert len([r for r in caplog.records if r.message == "audit"]) >= len(lines)


async def test_a_full_disk_stops_no_request(start: Start, tmp_path: Path) -> None:
    plane = await start(API_SERVER_AUDIT_FILE=str(tmp_path))
    assert (await plane.put("/meshes/m", {"type": "Mesh", "name": "m"}))[0] == 201
