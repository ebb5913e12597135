"""What a user sees while zones, their global or the user's own control plane are away."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from kds.client import ClientStatus
from kds.sync_views import client_view
from tests.unit.cli.conftest import Result
from ursa.cli.commands import wait
from ursa.cli.main import run

UNSEEN = {"affected": None, "acknowledged": None, "rejected": None}
SEEN = {"affected": 2, "acknowledged": 2, "rejected": 0}
STORED = "2026-01-01T00:00:01Z"


def zone(name: str, state: str, *reasons: str) -> dict[str, Any]:
    """A zone as a rollout shows it."""
    arrived = state == "complete"
    proxies = SEEN if arrived else UNSEEN
    return {
        "name": name,
        "state": state,
        "proxies": proxies,
        "storedAt": STORED if arrived else None,
        "reasons": list(reasons),
    }


@asynccontextmanager
async def answering(path: str, document: object) -> AsyncIterator[str]:
    """Address of a control plane that takes every write as revision 7, and answers this, or so, below one path."""

    async def answer(request: web.Request) -> web.Response:
        if callable(document):
            found: web.Response = await document(request)
            return found
        return web.json_response(document)

    async def write(_: web.Request) -> web.Response:
        return web.json_response({}, status=201, headers={"X-Ursa-Revision": "7"})

    server = TestServer(web.Application())
    server.app.router.add_get(path, answer)
    server.app.router.add_put("/{path:.*}", write)
    async with server:
        yield str(server.make_url(""))


async def ursactl(folder: Path, capfd: pytest.CaptureFixture[str], address: str, arguments: str) -> Result:
    options = ["--config-file", str(folder / "config")]
    added = "config control-planes add --overwrite --skip-check --name z --address"
    assert run([*options, *shlex.split(added), address]) == 0
    capfd.readouterr()
    status = await asyncio.to_thread(run, [*options, *shlex.split(arguments)])
    return Result(status, *capfd.readouterr())


async def test_what_was_written_is_told_even_if_it_has_not_arrived(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mesh.yaml").write_text("type: Mesh\nname: m\n")
    zones = [zone("east", "complete"), zone("north", "storing", "quarantined"), zone("west", "unknown")]
    document = {"committedAt": "2026-01-01T00:00:00Z", "zones": zones}
    async with answering("/rollouts/7", document) as address:
        shown = await ursactl(tmp_path, capfd, address, f"apply --wait --timeout 2s -f {tmp_path}/mesh.yaml")
    assert (shown.status, shown.out) == (1, "mesh.m created (revision 7)\n")
    assert shown.err.splitlines() == [
        "Error: revision 7 has arrived in 1 of 3 zones after 2s; it is stored",
        "zone north: storing: quarantined",
        "zone west: unknown: it is not connected, or has not reported yet; `ursactl inspect zone-sync` says which",
    ]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (ClientStatus(connected=True, since=1), "connected to the global for "),
        (ClientStatus(since=1, attempts=3, last_error="refused"), ", attempts so far: 3: refused"),
        (ClientStatus(since=1, attempts=1), ", attempts so far: 1"),
    ],
)
async def test_a_zone_tells_how_it_is_connected(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], status: ClientStatus, told: str
) -> None:
    async with answering("/zones/east/_sync", {"zone": "east", **client_view(status, 5)}) as address:
        shown = await ursactl(tmp_path, capfd, address, "inspect zone-sync east")
    first, empty, header = shown.out.splitlines()
    assert told in first and first.startswith("connected" if status.connected else "not connected to the global for ")
    assert (empty, header.split()[0]) == ("", "DIRECTION")


async def test_waiting_may_take_longer_than_a_call(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    states = [zone("east", "storing"), zone("east", "storing"), zone("east", "complete")]
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.query["timeout"])
        return web.json_response({"committedAt": "2026-01-01T00:00:00Z", "zones": [states[len(asked) - 1]]})

    (tmp_path / "mesh.yaml").write_text("type: Mesh\nname: m\n")
    async with answering("/rollouts/7", answer) as address:
        words = f"--api-timeout 1m apply --wait --timeout 5m -f {tmp_path}/mesh.yaml"
        shown = await ursactl(tmp_path, capfd, address, words)
    assert (shown.status, shown.err) == (0, "")
    assert shown.out.startswith("mesh.m created (revision 7): zones 1/1 stored in 1.00s")
    assert asked == ["30s", "30s", "30s"]


async def test_a_zone_does_not_tell_when_a_change_has_arrived(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=404, text="404: Page Not Found")

    (tmp_path / "mesh.yaml").write_text("type: Mesh\nname: m\n")
    async with answering("/rollouts/7", refuse) as address:
        shown = await ursactl(tmp_path, capfd, address, f"apply --wait -f {tmp_path}/mesh.yaml")
    assert (shown.status, shown.out) == (1, "mesh.m created (revision 7)\n")
    assert shown.err == "Error: only globals, those of Ursa, tell when a change has arrived; it is stored\n"


async def test_a_time_that_is_none_stops_before_anything_is_written(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mesh.yaml").write_text("type: Mesh\nname: m\n")
    async with answering("/rollouts/7", {}) as address:
        shown = await ursactl(tmp_path, capfd, address, f"apply --wait --timeout 5 -f {tmp_path}/mesh.yaml")
    assert (shown.status, shown.out) == (1, "") and "--timeout: " in shown.err


@asynccontextmanager
async def watched(*answers: Sequence[Mapping[str, Any]]) -> AsyncIterator[str]:
    """Address of a control plane that answers each watch with the next of these lists of lines, and ends it then."""
    left = list(answers)

    async def watch(_: web.Request) -> web.Response:
        lines = left.pop(0) if left else None
        if lines is None:
            return web.Response(status=503)
        return web.Response(body=b"".join(orjson.dumps(line) + b"\n" for line in lines))

    server = TestServer(web.Application())
    server.app.router.add_get("/meshes", watch)
    async with server:
        yield str(server.make_url(""))


SYNCED = {"change": "synced"}
MESH = {"change": "created", "object": {"type": "Mesh", "name": "m"}}


async def test_a_watch_that_ends_is_no_success(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async with watched([SYNCED]) as address:
        shown = await ursactl(tmp_path, capfd, address, "get meshes --watch")
    assert shown.status == 1 and "has ended the watch" in shown.err


async def test_waiting_outlives_a_restart_of_the_control_plane(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait, "AGAIN", 0.01)
    async with watched([SYNCED], [SYNCED], [SYNCED, MESH]) as address:
        shown = await ursactl(tmp_path, capfd, address, "wait mesh m --for created --timeout 60s")
    assert (shown.status, shown.out, shown.err) == (0, "mesh.m created\n", "")
    gone = await ursactl(tmp_path, capfd, address, "wait mesh m --for created --timeout 60s")
    assert (gone.status, "cannot reach" in gone.err) == (1, True), "nobody was there to begin with"
