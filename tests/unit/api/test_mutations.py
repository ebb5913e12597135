"""Every example of every kind is written back as it was read, and with one value spoilt: no answer is ever a 500."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.api.conftest import ControlPlane
from ursa.testing import shared_folder

SHARED = shared_folder()
FOLDER = SHARED / "reference/api/kinds" if SHARED is not None else Path("absent")
SPOILT: tuple[Any, ...] = (None, -1, "°\n/", [[]], {"a": {"b": []}})


def examples() -> Iterator[dict[str, Any]]:
    """One object of every kind that users write."""
    for file in sorted(FOLDER.glob("*.json")):
        body = json.loads(file.read_text())["response"]["body"]
        if ".k8s" not in file.name and isinstance(body, dict) and not str(body.get("type", "")).endswith("Insight"):
            yield body


def spoil(value: Any) -> Iterator[Any]:
    """The document with one value replaced, for every value and every replacement."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from ({**value, key: other} for other in (*SPOILT, *spoil(inner)))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from ([*value[:index], other, *value[index + 1 :]] for other in (*SPOILT, *spoil(inner)))


def path_of(kinds: dict[str, Any], body: dict[str, Any]) -> str:
    kind = kinds[body["type"]]
    prefix = "/meshes/default" if kind["scope"] == "Mesh" else ""
    return f"{prefix}/{kind['path']}/{body['name']}?dryRun=true"


@pytest.mark.skipif(SHARED is None, reason="recordings are not present")
async def test_spoilt_examples_are_refused_or_accepted_but_never_crash(zone: ControlPlane) -> None:
    kinds = {r["name"]: r for r in (await zone.get("/_resources"))[1]["resources"]}
    crashed = []
    for body in examples():
        if body.get("mesh"):
            body["mesh"] = "default"
        body.pop("labels", None)
        path = path_of(kinds, body)
        for number, document in enumerate([body, *spoil(body)]):
            status, answer = await zone.put(path, document)
            if number == 0 and status not in (200, 201, 405):
                crashed.append((body["type"], answer))
            if status >= 500:
                crashed.append((body["type"], document))
    assert not crashed, f"{len(crashed)}: {crashed[:5]}"
