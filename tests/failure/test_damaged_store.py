"""A store that somebody damaged: one bad object stays alone, a bad file is said in words."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from tests.failure.test_global_kill import POLICY, GlobalProcess

DAMAGE = {
    "nonsense": "UPDATE resources SET spec = x'00ff' WHERE name = 'nonsense'",
    "cut": "UPDATE resources SET spec = substr(spec, 1, 20) WHERE name = 'cut'",
    "labels": "UPDATE resources SET labels = '[1]' WHERE name = 'labels'",
    "times": "UPDATE resources SET created = 'yesterday' WHERE name = 'times'",
}

MISSHAPEN = [
    ("Dataplane", "default", "number", '{"networking": 5}'),
    ("Dataplane", "default", "null", '{"networking": {"inbound": [null, 5]}}'),
    ("MeshHTTPRoute", "default", "no-list", '{"to": {"rules": 5}}'),
    ("ZoneIngress", "", "texts", '{"availableServices": ["a", "b"]}'),
    ("Nonsense", "default", "odd", "{}"),
]


async def ask(centre: GlobalProcess, method: str, path: str, body: object = None) -> tuple[int, dict, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://127.0.0.1:{centre.api}{path}", json=body) as response,
    ):
        text = await response.text()
        return response.status, await response.json() if text.startswith("{") else {}, text


async def metrics(centre: GlobalProcess) -> str:
    url = f"http://127.0.0.1:{centre.diagnostics}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return await response.text()


async def test_damaged_objects_are_named_and_can_be_replaced(tmp_path: Path) -> None:
    centre = GlobalProcess(tmp_path)
    await centre.start()
    try:
        for name in ("good", *DAMAGE):
            await centre.call("PUT", f"/meshes/default/meshtimeouts/{name}", {**POLICY, "name": name})
        await centre.stop(signal.SIGTERM)
        with closing(sqlite3.connect(tmp_path / "ursa.db", isolation_level=None)) as database:
            for statement in DAMAGE.values():
                assert database.execute(statement).rowcount == 1
            for kind, mesh, name, spec in MISSHAPEN:
                row = (kind, mesh, name, 1, 1, 1, spec, "{}", None)
                database.execute("INSERT INTO resources VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        await centre.start()
        path = "/meshes/default/meshtimeouts"
        listed = (await centre.call("GET", path))["items"]
        assert "good" in {item["name"] for item in listed} and not DAMAGE.keys() & {item["name"] for item in listed}  # type: ignore[attr-defined]
        told = {one["name"]: one for one in (await centre.call("GET", "/store-status"))["unreadable"]}  # type: ignore[attr-defined]
        assert told.keys() == DAMAGE.keys() | {name for _, _, name, _ in MISSHAPEN}
        assert all(told[name]["type"] == "MeshTimeout" and told[name]["mesh"] == "default" for name in DAMAGE)
        assert all(one["reason"] for one in told.values())
        assert (
            f'ursa_store_unreadable_resources{{resource_type="MeshTimeout",zone="Global"}} {len(DAMAGE)}.0'
            in await metrics(centre)
        )
        for name in DAMAGE:
            status, problem, _ = await ask(centre, "GET", f"{path}/{name}")
            assert status == 500
            assert f"MeshTimeout default/{name} is stored" in problem["detail"]
            assert told[name]["reason"] in problem["detail"]
        assert (await ask(centre, "PUT", f"{path}/nonsense", {**POLICY, "name": "nonsense"}))[0] == 201
        assert (await ask(centre, "GET", f"{path}/nonsense"))[0] == 200
        for name in ("cut", "labels", "times"):
            assert (await ask(centre, "DELETE", f"{path}/{name}"))[0] == 200
            assert (await ask(centre, "GET", f"{path}/{name}"))[0] == 404
        assert len((await centre.call("GET", "/store-status"))["unreadable"]) == len(MISSHAPEN)  # type: ignore[arg-type]
        assert (await ask(centre, "DELETE", "/meshes/default/meshhttproutes/no-list"))[0] == 200
        assert len((await centre.call("GET", "/store-status"))["unreadable"]) == len(MISSHAPEN) - 1  # type: ignore[arg-type]
    finally:
        await centre.stop(signal.SIGTERM)
    log = centre.log.read_text()
    assert "Traceback" not in log, log
    assert log.count("what the store holds cannot be read") == len(DAMAGE) + len(MISSHAPEN)


async def test_a_damaged_mesh_and_key_are_not_made_anew(tmp_path: Path) -> None:
    centre = GlobalProcess(tmp_path)
    await centre.start()
    await centre.call("PUT", "/meshes/default/meshtimeouts/t", POLICY)
    await centre.stop(signal.SIGTERM)
    with closing(sqlite3.connect(tmp_path / "ursa.db", isolation_level=None)) as database:
        touched = "SELECT spec FROM resources WHERE kind = 'Mesh' OR name = 'zone-token-signing-key-1'"
        database.execute(
            f"UPDATE resources SET spec = 'nonsense' WHERE (kind, name) IN ({touched.replace('spec', 'kind, name', 1)})"
        )
        before = database.execute(touched).fetchall()
        assert len(before) == 2
    centre.ready = "/store-status"
    await centre.start()
    try:
        async with asyncio.timeout(60):
            while len((await centre.call("GET", "/store-status"))["unreadable"]) != 2:  # type: ignore[arg-type]  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        for path in ("/meshes/default", "/meshes/default/meshtimeouts", "/meshes/default/meshtimeouts/t"):
            status, problem, _ = await ask(centre, "GET", path)
            assert status == 500 and "Mesh default is stored" in problem["detail"]
        assert (await centre.call("GET", "/meshtimeouts"))["total"] != 0
        status, problem, _ = await ask(centre, "PUT", "/meshes/default/meshtimeouts/u", {**POLICY, "name": "u"})
        assert status == 500 and "Mesh default is stored" in problem["detail"]
        assert (await ask(centre, "PUT", "/meshes/default", {"type": "Mesh", "name": "default"}))[0] == 201
        assert (await ask(centre, "GET", "/meshes/default/meshtimeouts/t"))[0] == 200
        unreadable = (await centre.call("GET", "/store-status"))["unreadable"]
        assert [one["name"] for one in unreadable] == ["zone-token-signing-key-1"]  # type: ignore[attr-defined]
    finally:
        await centre.stop(signal.SIGTERM)
    assert "Traceback" not in centre.log.read_text()


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    command = [str(Path(sys.executable).with_name("ursa-cp")), *arguments]
    return subprocess.run(
        command,
        env={**environment, "KUMA_MODE": "global", "KUMA_GENERAL_WORK_DIR": str(folder), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def spoil_pages(file: Path) -> None:
    """Overwrites everything behind the first page, as a failing disk might."""
    data = bytearray(file.read_bytes())
    for start in range(4096, len(data), 8192):
        data[start : start + 4096] = b"\xa5" * len(data[start : start + 4096])
    file.write_bytes(data)


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def replace(file: Path) -> None:
    file.write_bytes(b"this is no database at all, it only stands where one should be" * 100)


@pytest.mark.parametrize("spoil", [spoil_pages, cut_off, replace])
def test_a_damaged_file_is_said_at_the_start(tmp_path: Path, spoil: object) -> None:
    assert run(tmp_path, "migrate", "up").returncode == 0
    file = tmp_path / "ursa.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.executemany(
            "INSERT INTO resources VALUES ('Config', '', ?, 1, 1, 1, ?, '{}', NULL)",
            [(f"c{i}", b'{"config": "' + b"x" * 1000 + b'"}') for i in range(200)],
        )
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    spoil(file)  # type: ignore[operator]
    for arguments in (("run",), ("export",), ("migrate", "up")):
        done = run(tmp_path, *arguments)
        assert done.returncode == 1, done
        assert str(file) in done.stderr and "restore it from a backup" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


def test_a_place_that_cannot_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    # What is read-only to everybody, root included.
    done = run(tmp_path, "run", KUMA_STORE_SQLITE_PATH="/proc/self/ursa.db")
    assert done.returncode == 1 and "store.sqlite.path: /proc/self/ursa.db" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_an_export_names_what_it_lacks(tmp_path: Path) -> None:
    assert run(tmp_path, "migrate", "up").returncode == 0
    with closing(sqlite3.connect(tmp_path / "ursa.db", isolation_level=None)) as database:
        for kind, name, spec in (("Config", "good", "{}"), ("Config", "bad", "{"), ("Nonsense", "odd", "{}")):
            database.execute("INSERT INTO resources VALUES (?, '', ?, 1, 1, 1, ?, '{}', NULL)", (kind, name, spec))
    done = run(tmp_path, "export")
    assert done.returncode == 1
    assert "name: good" in done.stdout
    assert "Config bad is stored" in done.stderr and "Nonsense odd" in done.stderr
