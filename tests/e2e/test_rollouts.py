"""A write can be waited for until every proxy has acknowledged it, and what does not arrive is named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.e2e.lab import Lab
from ursa.errors import UrsaError

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


def timeout(name: str, seconds: int) -> dict[str, Any]:
    to = [{"targetRef": {"kind": "Mesh"}, "default": {"connectionTimeout": f"{seconds}s"}}]
    return {"type": "MeshTimeout", "mesh": "default", "name": name, "spec": {"targetRef": {"kind": "Mesh"}, "to": to}}


async def apply(lab: Lab, folder: Path, document: dict[str, Any], *options: str) -> str:
    file = folder / "wait.yaml"
    file.write_text(yaml.safe_dump(document))
    return await lab.processes.run("ursactl", *lab.deployment.ursactl, "apply", "-f", str(file), *options)


async def rollout(lab: Lab, path: str) -> dict[str, Any]:
    url = f"http://127.0.0.1:{lab.layout.centre.api_port}/rollouts{path}"
    async with aiohttp.ClientSession(raise_for_status=True) as session, session.get(url) as answer:
        document: dict[str, Any] = await answer.json()
        return document


async def test_apply_waits_for_zones_and_proxies(lab: Lab, tmp_path: Path) -> None:
    said = await apply(lab, tmp_path, timeout("waited-for", 7), "--wait")
    found = re.search(r"revision (\d+)\): zones 2/2 stored in [\d.]+s, proxies (\d+)/(\d+) in", said)
    assert found is not None, said
    assert found[2] == found[3] and int(found[2]) >= 3
    document = await rollout(lab, f"/{found[1]}")
    assert document["state"] == "complete"
    assert document["changes"] == [
        {"type": "MeshTimeout", "mesh": "default", "name": "waited-for", "operation": "created"}
    ]
    states = {zone["name"]: (zone["state"], zone["proxies"]["rejected"]) for zone in document["zones"]}
    assert states == {zone.name: ("complete", 0) for zone in lab.layout.zones}
    listed = await rollout(lab, "")
    assert int(found[1]) in [item["revision"] for item in listed["items"]]


async def test_what_changes_no_proxy_is_complete_at_once(lab: Lab, tmp_path: Path) -> None:
    secret = {"type": "Secret", "mesh": "default", "name": "nobody-uses-it", "data": "aGVsbG8="}
    said = await apply(lab, tmp_path, secret, "--wait")
    assert "zones 2/2 stored" in said


async def test_an_unknown_zone_is_named_and_fails_the_command(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(UrsaError, match="nowhere"):
        await apply(lab, tmp_path, timeout("waited-for", 8), "--wait=stored", "--timeout", "1s", "--zones", "nowhere")
