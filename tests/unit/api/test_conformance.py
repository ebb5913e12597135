"""The recorded conformance cases of the API, run against a control plane in this process.

`api_suite.py` runs the same cases against real processes; here they are quick enough to run on every change.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.unit.api.conftest import ControlPlane, Start
from ursa.catalog import default_registry
from ursa.model.documents import load_documents
from ursa.model.forms import from_rest
from ursa.testing import shared_folder

SHARED = shared_folder()
FOLDER = SHARED / "conformance" / "api" if SHARED is not None else Path("absent")
HEADER = re.compile(r"^#\s*(/\S*)\s+(\d{3})(.*)$")
TIMES = ("creationTime", "modificationTime")


@dataclass
class Request:
    """One recorded request."""

    path: str
    status: int
    options: dict[str, str] = field(default_factory=dict)


def cases() -> list[str]:
    """Names of all cases."""
    files = sorted(FOLDER.rglob("*.input.yaml"))
    return [str(file.relative_to(FOLDER)).removesuffix(".input.yaml") for file in files]


def requests_of(text: str) -> list[Request]:
    """The requests in the leading comments."""
    matches = [m for line in text.splitlines() if (m := HEADER.match(line))]
    options = [dict(o.partition("=")[::2] for o in m[3].split()) for m in matches]
    return [Request(m[1], int(m[2]), o) for m, o in zip(matches, options, strict=True)]


def beside(name: str, index: int, what: str) -> str:
    """The recorded text of a request or answer, empty when there is none."""
    for file in (FOLDER / f"{name}_{index:02d}.{what}.json", FOLDER / f"{name}.{what}.json"):
        if file.exists():
            return file.read_text()
    return ""


def comparable(value: Any, address: str) -> Any:
    """Without times, and with the address that recordings leave open."""
    if isinstance(value, dict):
        return {k: comparable(v, address) for k, v in value.items() if k not in TIMES}
    if isinstance(value, list):
        return [comparable(item, address) for item in value]
    return value.replace("{{address}}", address) if isinstance(value, str) else value


async def send(plane: ControlPlane, request: Request, body: str) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json"} if body else {}
    method = request.options.get("method", "GET")
    async with plane.client.request(method, request.path, data=body or None, headers=headers) as response:
        text = await response.text()
        return response.status, json.loads(text) if response.content_type == "application/json" else text


@pytest.mark.skipif(SHARED is None, reason="recordings are not present")
@pytest.mark.parametrize("name", cases())
async def test_case(start: Start, name: str) -> None:
    plane = await start(defaults=False)
    text = (FOLDER / f"{name}.input.yaml").read_text()
    registry = default_registry()
    await plane.add(*(from_rest(d, registry) for d in load_documents(text)))
    address = f"{plane.client.host}:{plane.client.port}"
    for index, request in enumerate(requests_of(text)):
        status, answer = await send(plane, request, beside(name, index, "request"))
        assert status == request.status, answer
        if expected := beside(name, index, "golden").strip():
            assert comparable(answer, address) == comparable(json.loads(expected), address)
