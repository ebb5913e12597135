"""The demo tells its story unattended, measures it, and leaves nothing behind however it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deploy.demo.waiting import until
from tests.e2e.lab import free_layout

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]


class Demo:
    """A run of the demo; whatever it starts inherits its mark."""

    def __init__(self) -> None:
        self._mark = f"DEMO_TEST_RUN={uuid.uuid4()}"

    @asynccontextmanager
    async def running(self, temporary: str = "") -> AsyncIterator[asyncio.subprocess.Process]:
        """The demo; it does not go on when its test is over."""
        first_port = free_layout().centre.base
        name, _, value = self._mark.partition("=")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "deploy.demo", "--once", "--ports-from", str(first_port)),
            cwd=ROOT,
            env={**os.environ, name: value, **({"TMPDIR": temporary} if temporary else {})},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    def survivors(self) -> list[str]:
        """Command lines of processes that it started and that still run."""
        return [
            (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            for process in Path("/proc").glob("[0-9]*")
            if self._mark.encode() in _environment(process).split(b"\0")
        ]

    async def gone(self) -> bool:
        return not self.survivors()


async def test_the_story_is_told_once_and_measured() -> None:
    demo = Demo()
    async with demo.running() as process:
        output, progress = await process.communicate()
    assert process.returncode == 0, progress.decode()
    report = json.loads(output.splitlines()[-1])
    assert list(report) == [
        "requests",
        "errors",
        "shift_s",
        "return_s",
        "global_outage_errors",
        "reconnect_config_changes",
    ]
    assert report["requests"] > 100
    assert (report["errors"], report["global_outage_errors"], report["reconnect_config_changes"]) == (0, 0, 0)
    assert report["shift_s"] >= 0
    assert report["return_s"] > 0
    assert demo.survivors() == []


async def test_a_demo_that_is_killed_takes_everything_with_it() -> None:
    demo = Demo()
    async with demo.running() as process:
        assert process.stderr is not None
        async for line in process.stderr:
            if b"starting services" in line:
                break
        assert len(demo.survivors()) > 3
        process.kill()
    await until("nothing survives", demo.gone, 60)


async def test_a_demo_whose_terminal_is_closed_leaves_nothing(tmp_path: Path) -> None:
    demo = Demo()
    async with demo.running(str(tmp_path)) as process:
        assert process.stderr is not None
        async for line in process.stderr:
            if b"starting the global" in line:
                break
        assert list(tmp_path.glob("ursa-demo-*"))
        process._transport.get_pipe_transport(2).close()  # type: ignore[attr-defined]
        process.send_signal(signal.SIGHUP)
        await process.wait()
    await until("nothing survives", demo.gone, 60)
    assert not list(tmp_path.glob("ursa-demo-*"))


def _environment(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:  # it has just ended
        return b""
