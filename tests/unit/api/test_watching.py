"""Lists that go on, and writes that only happen if nobody else was there first."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.unit.api.conftest import ControlPlane
from ursa.api import watching


def mesh(name: str, **spec: Any) -> dict[str, Any]:
    return {"type": "Mesh", "name": name, **spec}


OTHER = mesh("m", routing={"localityAwareLoadBalancing": True})


def watchers(plane: ControlPlane) -> int:
    """How many clients watch."""
    return sum(1 for s in plane.live._subscriptions if s.name.startswith("watch of"))


async def lines(plane: ControlPlane, path: str, count: int) -> list[tuple[str, str]]:
    """So many lines of a watch: what happened, and to which object."""
    found: list[tuple[str, str]] = []
    async with asyncio.timeout(10), plane.client.get(path) as response:
        assert response.status == 200
        async for raw in response.content:
            if raw.strip():
                line = json.loads(raw)
                found.append((line["change"], line.get("object", {}).get("name", "")))
            if len(found) == count:
                return found
    return found


async def test_what_is_there_comes_first_and_then_every_change(zone: ControlPlane) -> None:
    watcher = asyncio.ensure_future(lines(zone, "/meshes?watch=true", 6))
    while not watchers(zone):  # noqa: ASYNC110 - the view tells nobody who looks at it
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    for number, (method, body) in enumerate([("PUT", mesh("m")), ("PUT", OTHER), ("DELETE", None)]):
        assert (await zone.call(method, "/meshes/m", body))[0] in (200, 201), number
        await asyncio.sleep(0.05)
    await zone.put("/meshes/n", mesh("n"))
    assert await watcher == [
        ("present", "default"),
        ("synced", ""),
        ("created", "m"),
        ("updated", "m"),
        ("deleted", "m"),
        ("created", "n"),
    ]


async def test_a_watch_is_filtered_like_a_list(zone: ControlPlane) -> None:
    assert await lines(zone, "/meshes/default/meshtimeouts?watch=true&name=gateways", 2) == [
        ("present", "mesh-gateways-timeout-all-default"),
        ("synced", ""),
    ]
    assert (await zone.get("/mesh-insights?watch=true"))[0] == 400
    assert (await zone.get("/meshes?watch=maybe"))[0] == 400


async def test_a_watcher_that_went_is_forgotten(zone: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PULSE", 0.02)
    await lines(zone, "/meshes?watch=true", 2)
    async with asyncio.timeout(5):
        while watchers(zone):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_writes_can_be_bound_to_what_was_read(zone: ControlPlane) -> None:
    await zone.put("/meshes/m", mesh("m"))
    async with zone.client.get("/meshes/m") as response:
        tag = response.headers["ETag"]
    seen = {"If-Match": tag}
    assert (await zone.call("PUT", "/meshes/m", OTHER, **seen))[0] == 200
    status, problem = await zone.call("PUT", "/meshes/m", mesh("m"), **seen)
    assert (status, problem["title"]) == (412, "Conflict")
    assert (await zone.call("DELETE", "/meshes/m", **seen))[0] == 412
    assert (await zone.call("PUT", "/meshes/m", mesh("m"), **{"If-Match": "x"}))[0] == 400
    assert (await zone.call("PUT", "/meshes/new", mesh("new"), **{"If-Match": '"0"'}))[0] == 201
    assert (await zone.call("PUT", "/meshes/new", mesh("new"), **{"If-Match": '"0"'}))[0] == 412
    assert (await zone.call("DELETE", "/meshes/m", **{"If-Match": "*"}))[0] == 200
