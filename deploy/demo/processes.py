"""Starts and stops the demo's processes; none survives the demo, however it ends."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

PR_SET_PDEATHSIG = 1
GRACE = 8.0


class Processes:
    """Named child processes with a log file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, asyncio.subprocess.Process] = {}

    def log(self, name: str) -> Path:
        """Where a process writes."""
        return self._folder / f"{name}.log"

    async def start(self, name: str, *command: str, env: Mapping[str, str] | None = None) -> None:
        """Starts a process under a name that is free."""
        with self.log(name).open("ab") as log:
            self._running[name] = await asyncio.create_subprocess_exec(
                *command, env={**os.environ, **(env or {})}, stdout=log, stderr=log, preexec_fn=_die_with_parent
            )

    def ended(self) -> list[str]:
        """Names of processes that ended without being asked to."""
        return [name for name, process in self._running.items() if process.returncode is not None]

    async def kill(self, name: str) -> None:
        """Ends a process at once, as a crash would."""
        process = self._running.pop(name)
        if process.returncode is None:
            process.kill()
        await process.wait()

    async def stop_all(self) -> None:
        """Asks all to end, newest first, and kills those that take too long."""
        for process in reversed(self._running.values()):
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            try:
                await asyncio.wait_for(process.wait(), GRACE)
            except TimeoutError:
                process.kill()
                await process.wait()
        self._running.clear()


def tool(name: str) -> str:
    """A command installed beside this Python."""
    return str(Path(sys.executable).parent / name)


def _die_with_parent() -> None:
    os.setpgrp()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
