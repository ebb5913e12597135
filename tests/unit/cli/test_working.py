"""Commands for daily work: diff, edit, wait, watch, describe; and what errors advise."""

from __future__ import annotations

import asyncio
import json
import signal
import stat
import sys
from pathlib import Path

import pytest

from tests.unit.api.conftest import ControlPlane, Start
from tests.unit.cli.conftest import Ursactl
from ursa.cli.failures import CommandFailed, ServerRefused
from ursa.cli.hints import hint_for
from ursa.model.resource import Resource
from ursa.store.contract import Update

PATH = "/meshes/default/meshtimeouts/web"
TIMEOUT = """
type: MeshTimeout
mesh: default
name: web
spec:
  targetRef: {kind: Mesh}
  to:
  - targetRef: {kind: Mesh}
    default: {idleTimeout: 1m0s}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(TIMEOUT)
    return file


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that edits with sed; the test writes the script."""
    script, program = tmp_path / "script.sed", tmp_path / "editor"
    program.write_text(f"#!/bin/sh\nsed -i -f {script} $1\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("EDITOR", str(program))
    monkeypatch.setenv("VISUAL", str(program))
    return script


async def test_diff_shows_what_apply_would_change(ursactl: Ursactl, policy: Path) -> None:
    new = await ursactl("diff -f", str(policy))
    assert new.status == 1
    assert new.out.startswith("--- present MeshTimeout default/web\n+++ wanted MeshTimeout default/web\n")
    assert "+      idleTimeout: 1m0s" in new.out
    await ursactl("apply -f", str(policy))
    same = await ursactl("diff -f", str(policy))
    assert (same.status, same.out, same.err) == (0, "", "")
    policy.write_text(TIMEOUT.replace("1m0s", "2m0s"))
    changed = await ursactl("diff -f", str(policy))
    lines = [line for line in changed.out.splitlines() if line[0] in "+-"][2:]
    assert (changed.status, lines) == (1, ["-      idleTimeout: 1m0s", "+      idleTimeout: 2m0s"])


async def test_edit_applies_what_was_changed(ursactl: Ursactl, policy: Path, editor: Path, zone: ControlPlane) -> None:
    await ursactl("apply -f", str(policy))
    editor.write_text("s/1m0s/3m0s/\n")
    edited = await ursactl("edit meshtimeout web")
    assert edited.out.startswith("meshtimeout.web configured (revision "), edited
    stored = zone.live.current.get("MeshTimeout", "default", "web")
    assert stored is not None
    assert stored.spec["to"][0]["default"]["idleTimeout"] == "3m0s"
    editor.write_text("")
    assert (await ursactl("edit meshtimeout web")).out == "meshtimeout.web unchanged\n"


async def test_edit_does_not_overwrite_others(
    ursactl: Ursactl, policy: Path, editor: Path, tmp_path: Path, zone: ControlPlane
) -> None:
    """Somebody else changes the object while the editor is open."""
    await ursactl("apply -f", str(policy))
    opened, go = tmp_path / "opened", tmp_path / "go"
    editor.write_text("s/1m0s/3m0s/\n")
    (tmp_path / "editor").write_text(
        f"#!/bin/sh\ntouch {opened}\nwhile [ ! -e {go} ]; do sleep 0.05; done\nsed -i -f {editor} $1\n"
    )
    editing = asyncio.ensure_future(ursactl("edit meshtimeout web"))
    while not opened.exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.02)
    stored = zone.live.current.get("MeshTimeout", "default", "web")
    assert stored is not None
    body = {
        "type": "MeshTimeout",
        "mesh": "default",
        "name": "web",
        "spec": {**stored.spec, "targetRef": {"kind": "Mesh", "proxyTypes": ["Sidecar"]}},
    }
    assert (await zone.put("/meshes/default/meshtimeouts/web", body))[0] == 200
    go.touch()
    refused = await editing
    assert (refused.status, refused.err.splitlines()[0]) == (
        1,
        "Error: somebody else has changed the object meanwhile, edit it again",
    )


async def test_wait_returns_when_it_is_so(ursactl: Ursactl, policy: Path, zone: ControlPlane) -> None:
    late = await ursactl("wait meshtimeout web --for created --timeout 200ms")
    assert (late.status, late.err) == (1, "Error: MeshTimeout web was not created within 200ms\n")
    waiting = asyncio.ensure_future(ursactl("wait meshtimeout web --for created --timeout 20s"))
    await asyncio.sleep(0.3)
    spec = {"targetRef": {"kind": "Mesh"}, "to": [{"targetRef": {"kind": "Mesh"}, "default": {"idleTimeout": "1s"}}]}
    await zone.put(
        "/meshes/default/meshtimeouts/web", {"type": "MeshTimeout", "mesh": "default", "name": "web", "spec": spec}
    )
    assert (await waiting).out == "meshtimeout.web created\n"
    assert (await ursactl("wait meshtimeout web --for spec.to.0.default.idleTimeout=1s")).status == 0
    assert (await ursactl("wait mesh default --for online")).err.startswith("Error: nothing tells whether a Mesh")
    insight = {"subscriptions": [{"id": "1", "connectTime": "2026-01-01T00:00:00Z"}]}
    await zone.add(
        Resource("Dataplane", "default", "d", {"networking": {"address": "1.2.3.4"}}),
        Resource("DataplaneInsight", "default", "d", insight),
    )
    assert (await ursactl("wait dataplane d --for online")).out == "dataplane.d online\n"
    assert (await ursactl("wait dataplane e --for deleted")).status == 0


async def test_what_a_zone_said_that_is_not_seen_is_not_waited_for_in_vain_or_believed(
    ursactl: Ursactl, start: Start
) -> None:
    plane = await start(MODE="global")
    connection = {"id": "1", "connectTime": "2026-01-01T00:00:00Z"}
    lost = {"subscriptions": [{**connection, "disconnectTime": "2026-01-01T01:00:00Z"}]}
    labels = {"kuma.io/origin": "zone", "kuma.io/zone": "east"}
    await plane.add(
        Resource("Zone", "", "east", {"enabled": True}),
        Resource("ZoneInsight", "", "east", lost),
        Resource("Dataplane", "default", "d", {"networking": {"address": "1.2.3.4"}}, labels),
        Resource("DataplaneInsight", "default", "d", {"subscriptions": [connection]}, labels),
    )
    refused = await ursactl("wait dataplane d --for online --timeout 500ms", plane=plane)
    assert (refused.status, refused.err) == (1, "Error: Dataplane d was not online within 500ms\n")
    waiting = asyncio.ensure_future(ursactl("wait dataplane d --for online --timeout 20s", plane=plane))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    seen = {"subscriptions": [*lost["subscriptions"], {**connection, "id": "2"}]}
    stored = plane.live.current.get("ZoneInsight", "", "east")
    assert stored is not None
    await plane.store.write([Update(stored.with_spec(seen))])
    assert (await waiting).out == "dataplane.d online\n"


async def test_get_goes_on_with_watch(ursactl: Ursactl, zone: ControlPlane, tmp_path: Path) -> None:
    _ = ursactl  # has written the configuration
    command = ["-m", "ursa.cli", "--config-file", str(tmp_path / "config"), "get", "meshes", "--watch"]
    running = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
    assert running.stdout is not None
    try:
        async with asyncio.timeout(30):
            rows = [(await running.stdout.readline()).decode().split() for _ in range(2)]
            await zone.put("/meshes/m", {"type": "Mesh", "name": "m"})
            rows.append((await running.stdout.readline()).decode().split())
    finally:
        running.send_signal(signal.SIGINT)
        await running.wait()
    assert rows[0] == ["CHANGE", "NAME", "mTLS", "LOCALITY", "ZONEEGRESS", "AGE"]
    assert [row[:2] for row in rows[1:]] == [["present", "default"], ["created", "m"]]
    assert running.returncode == 130


async def test_describe_tells_all(ursactl: Ursactl, policy: Path, zone: ControlPlane) -> None:
    await ursactl("apply -f", str(policy))
    await zone.add(
        Resource(
            "Dataplane", "default", "d",
            {"networking": {"address": "1.2.3.4", "inbound": [{"port": 80, "tags": {"kuma.io/service": "web"}}]}},
        )
    )  # fmt: skip
    told = (await ursactl("describe meshtimeout web")).out
    assert "Type:       MeshTimeout\n" in told
    assert "Selects:    d\n" in told
    assert "Labels:     kuma.io/env=universal" in told
    assert "Spec:\n  targetRef:\n    kind: Mesh\n" in told
    proxy = (await ursactl("describe dataplane d")).out
    assert ["Status:", "Offline"] in [line.split() for line in proxy.splitlines()]
    assert "  networking:\n    address: 1.2.3.4\n" in proxy
    assert "Dataplanes:   0/1\n" in (await ursactl("describe mesh default")).out
    assert (await ursactl("describe mesh nope")).status == 1


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ("get meshtimout", "did you mean meshtimeout?"),
        ("delete meshtimeouts nope", ""),
        ("get mesh default --context nope", ""),
        ("describe meshtimeout nope", "names are per mesh (-m)"),
        ("aply", "did you mean apply?"),
        ("get meshtimeouts -m nope", "the mesh is not there"),
        ("zone drain east --over 1m", "this call is not known there: is it a zone"),
        ("generate dataplane-token -m nope --valid-for 1h", "is the mesh there (`ursactl get meshes`)?"),
        ("generate zone-token --zone z --scope x --valid-for 1h", "`cp` is one, too"),
        ("get meshes --context nope", "`ursactl config control-planes list`"),
    ],
)
async def test_errors_say_what_to_do(ursactl: Ursactl, arguments: str, hint: str) -> None:
    result = await ursactl(arguments)
    assert result.status != 0
    if hint:
        assert f"Hint: {hint}" in result.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("type: MeshTimeout\nname: a/b\n", "failed to read meta: name: invalid characters"),
        ("type: [\n", "not valid YAML: line 2, column 1: did not find expected node content"),
        ("type: MeshTimeout\nname: t\n", "Warning: resource[0]: spec.to[0].default.http.requestTimout is not a field"),
    ],
)
async def test_mistakes_in_a_file_are_told_where_they_are(
    ursactl: Ursactl, tmp_path: Path, text: str, told: str
) -> None:
    file = tmp_path / "wrong.yaml"
    spec = "{to: [{targetRef: {kind: Mesh}, default: {http: {requestTimout: 1s, maxStreamDuration: 1s}}}]}"
    file.write_text(text + (f"mesh: default\nspec: {spec}\n" if "[" not in text else ""))
    result = await ursactl("apply -f", str(file))
    assert told in result.err
    assert result.status == (0 if told.startswith("Warning") else 1), result.err


async def test_an_unset_variable_in_place_of_a_name_is_no_name(ursactl: Ursactl, tmp_path: Path) -> None:
    assert (await ursactl("get mesh ''")).err == "Error: NAME is empty\n"
    assert (await ursactl("delete mesh ''")).status == 1
    (tmp_path / "nameless.yaml").write_text("type: Mesh\n")
    assert "a Mesh has no name" in (await ursactl("delete -f", str(tmp_path / "nameless.yaml"))).err


async def test_a_zone_knows_itself_and_no_other(ursactl: Ursactl) -> None:
    assert "this control plane is not a global" in (await ursactl("inspect zone-sync")).err
    assert (await ursactl("inspect zones")).out.splitlines()[1].split()[:2] == ["default", "Online"]


@pytest.mark.parametrize("arguments", ["config", "config control-planes", "generate", "inspect", "install"])
async def test_a_group_alone_is_a_question(ursactl: Ursactl, arguments: str) -> None:
    shown = await ursactl(arguments)
    assert (shown.status, shown.err, "Commands:\n" in shown.out) == (0, "", True)
    assert (await ursactl(f"help {arguments}")).out == shown.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("install control-plane --mode=zone --set a=b", "it is for Kubernetes"),
        ("install transparent-proxy --redirect-dns", "this version does not redirect traffic"),
        ("uninstall transparent-proxy --dry-run", "this version does not redirect traffic"),
        ("inspect dataplanes --ingress", "see `inspect zoneingresses`"),
    ],
)
async def test_what_is_not_there_says_so(ursactl: Ursactl, arguments: str, told: str) -> None:
    shown = await ursactl(arguments)
    assert (shown.status, shown.out) == (1, "") and told in shown.err


@pytest.mark.parametrize("status", [401, 403, 404, 405, 409, 412, 500, 503])
def test_every_refusal_has_advice(status: int) -> None:
    problem = {"title": "No", "detail": "never"}
    assert hint_for(ServerRefused(status, json.dumps(problem), problem))
    assert hint_for(CommandFailed("something nobody foresaw")) == ""


async def test_shells_complete_kinds(ursactl: Ursactl, monkeypatch: pytest.MonkeyPatch) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_URSACTL_COMPLETE" in (await ursactl("completion", shell)).out
