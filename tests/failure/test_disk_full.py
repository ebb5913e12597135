"""A full disk refuses writes in words and loses none that was acknowledged; room on the disk is all that is needed."""

from __future__ import annotations

import asyncio
import json
import resource
import urllib.error
import urllib.request
from pathlib import Path

from bench.planes import Plane, start_zone

ROOM = 3 << 20
"""Bytes that a file of the process may have: the kernel then answers as for a full disk."""


def put(plane: Plane, name: str, size: int) -> tuple[int, dict[str, object]]:
    """Stores a secret of that size; status and answer."""
    document = {"type": "Secret", "mesh": "default", "name": name, "data": "QUFB" * (size // 4)}
    request = urllib.request.Request(
        f"http://127.0.0.1:{plane.api}/meshes/default/secrets/{name}",
        json.dumps(document).encode(),
        {"Content-Type": "application/json"},
        method="PUT",
    )
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def names(plane: Plane) -> set[str]:
    items = plane.get("/meshes/default/secrets?size=1000")["items"]
    assert isinstance(items, list)
    return {item["name"] for item in items}


async def started(folder: Path) -> Plane:
    """A zone that has made its default mesh."""
    plane = await start_zone(folder, "east", None)
    for _ in range(600):
        if (await asyncio.to_thread(plane.get, "/meshes"))["total"]:
            return plane
        await asyncio.sleep(0.1)
    raise AssertionError("no default mesh")


async def test_a_full_disk(tmp_path: Path) -> None:
    plane = await started(tmp_path)
    try:
        _, hard = resource.prlimit(plane.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(plane.process.pid, resource.RLIMIT_FSIZE, (ROOM, hard))
        acknowledged: set[str] = set()
        refusals: list[tuple[int, dict[str, object]]] = []
        for number in range(200):
            status, answer = await asyncio.to_thread(put, plane, f"big-{number}", 100_000)
            if status == 201:
                acknowledged.add(f"big-{number}")
            else:
                refusals.append((status, answer))
            if len(refusals) == 5:
                break
        assert acknowledged and len(refusals) == 5, refusals
        assert {status for status, _ in refusals} == {503}
        assert "full" in str(refusals[0][1]["detail"]), refusals[0]
        assert acknowledged <= await asyncio.to_thread(names, plane)

        resource.prlimit(plane.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        status, answer = await asyncio.to_thread(put, plane, "after", 100_000)
        assert status == 201, answer
        # What was refused is not there, not even after the file is read again from the start.
        plane.process.kill()
        plane.process.wait()
    finally:
        plane.stop()
    log = (plane.folder / "log").read_text()
    assert "Traceback" not in log, log
    again = await started(tmp_path)
    try:
        found = {name for name in await asyncio.to_thread(names, again) if name.startswith(("big", "after"))}
        assert found == acknowledged | {"after"}
    finally:
        again.stop()
