"""ursactl against a control plane in this process; the command runs in a thread, the control plane in the loop."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.unit.api.conftest import ControlPlane, start, zone
from ursa.cli.main import run

__all__ = ["start", "zone"]


class Result(NamedTuple):
    """What a command did."""

    status: int
    out: str
    err: str


Ursactl = Callable[..., Coroutine[Any, Any, Result]]


@pytest.fixture
async def ursactl(zone: ControlPlane, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Ursactl:
    """Runs a command against the zone; arguments may hold several words."""
    file = tmp_path / "config"
    url = f"http://{zone.client.host}:{zone.client.port}"
    added = "config control-planes add --skip-check --name z --address"
    assert run(["--config-file", str(file), *shlex.split(added), url]) == 0
    capfd.readouterr()

    async def call(*arguments: str, plane: ControlPlane | None = None) -> Result:
        if plane is not None:
            other = f"http://{plane.client.host}:{plane.client.port}"
            run(["--config-file", str(file), *shlex.split(added.replace(" z ", " bare --overwrite ")), other])
            capfd.readouterr()
        status = await asyncio.to_thread(
            run, ["--config-file", str(file), *(w for a in arguments for w in shlex.split(a))]
        )
        out, err = capfd.readouterr()
        return Result(status, out, err)

    return call
