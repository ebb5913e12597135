"""A server program as a child process: started until it answers, frozen, killed, started again on the same port."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Host:
    """A place where processes run: its address, and what to put before a command so that it runs there."""

    address: str
    launcher: tuple[str, ...] = ()


HERE = Host("127.0.0.1")


class Server:
    """One server process; `command` is run again at every start."""

    def __init__(self, command: Sequence[str], log: Path, *, ready: Callable[[], bool], user: str = "") -> None:
        self._command, self._log, self._ready, self._user = command, log, ready, user
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        if self._process is None:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(  # noqa: ASYNC220 - outlives the loop that starts it
                    self._command, stdout=log, stderr=log, user=self._user or None, start_new_session=True
                )
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(self._ready):
                if self._process.poll() is not None:
                    raise RuntimeError(f"{self._command[0]} ended:\n{self._log.read_text()[-3000:]}")
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """As a crash of the machine would."""
        process, self._process = self._process, None
        if process is not None:
            _signal_all(process.pid, signal.SIGKILL)
            await asyncio.to_thread(process.wait)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        process, self._process = self._process, None
        if process is not None:
            _signal_all(process.pid, signal.SIGCONT)
            process.send_signal(number)
            await asyncio.to_thread(process.wait)

    def freeze(self) -> None:
        """Keeps connections open and answers nothing."""
        assert self._process is not None
        _signal_all(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        _signal_all(self._process.pid, signal.SIGCONT)


def _signal_all(pid: int, number: signal.Signals) -> None:
    """Signals a process and its children, parents first; PostgreSQL's are no process group."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = children.read_text().split() if children.exists() else []
    for one in (pid, *map(int, found)):
        with suppress(ProcessLookupError):
            os.kill(one, number)
