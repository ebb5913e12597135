"""Starts and stops the demo's processes; none survives the demo, however it ends."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from ursa.errors import Unavailable

PR_SET_PDEATHSIG = 1
"""`prctl` option: the signal a child gets when its parent dies (linux/prctl.h)."""

GRACE = 8.0
"""Seconds that processes have between being asked to end and being killed."""

TAIL = 25
"""Lines of a log that explain a failure."""


class Processes:
    """Named child processes with a log file each."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self._running: dict[str, asyncio.subprocess.Process] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._running)

    def __contains__(self, name: object) -> bool:
        return name in self._running

    def log(self, name: str) -> Path:
        """Where a process writes."""
        return self.logs / f"{name}.log"

    def tail(self, name: str) -> str:
        """The end of a process' log, with the path of the log."""
        lines = self.log(name).read_text(errors="replace").splitlines()[-TAIL:] if self.log(name).exists() else []
        return "\n".join([f"the end of {self.log(name)}:", *(f"  {line}" for line in lines)])

    def pid(self, name: str) -> int:
        """Id of a running process."""
        return self._running[name].pid

    async def start(self, name: str, *command: str, env: Mapping[str, str] | None = None) -> None:
        """Starts a process under a name that is free."""
        with self.log(name).open("ab") as log:
            self._running[name] = await asyncio.create_subprocess_exec(
                *command,
                env={**_surroundings(), **(env or {})},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with(os.getpid()),
            )

    async def run(self, name: str, *command: str) -> str:
        """Runs a command to its end and returns what it printed.

        Raises:
            Unavailable: it failed; its log is named after it.
        """
        with self.log(name).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                env=_surroundings(),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                preexec_fn=_die_with(os.getpid()),
            )
            output, _ = await process.communicate()
            log.write(output if process.returncode else b"")
        if process.returncode:
            raise Unavailable(f"{Path(command[0]).name} failed\n{self.tail(name)}")
        return output.decode()

    async def first_end(self) -> str:
        """Waits until a process ends that was not asked to; returns its name."""
        while True:
            for name, process in self._running.items():
                if process.returncode is not None:
                    return name
            await asyncio.sleep(0.2)

    async def kill(self, name: str) -> None:
        """Ends a process at once, as a crash would."""
        process = self._running.pop(name)
        if process.returncode is None:
            process.kill()
        await process.wait()

    async def stop(self, name: str) -> int:
        """Asks a process to end and returns its exit status."""
        self.send(name, signal.SIGTERM)
        return await self.ended(name)

    def send(self, name: str, number: signal.Signals) -> None:
        """Sends a signal to a process, if it still runs."""
        if self._running[name].returncode is None:
            self._running[name].send_signal(number)

    async def ended(self, name: str) -> int:
        """Waits for a process to end and returns its exit status."""
        status = await self._running[name].wait()
        del self._running[name]
        return status

    async def stop_all(self) -> None:
        """Asks all to end and kills those that take too long."""
        running = [process for process in self._running.values() if process.returncode is None]
        for process in reversed(running):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(GRACE):
                for process in running:
                    await process.wait()
        except TimeoutError:
            self.kill_all()
            for process in running:
                await process.wait()
        self._running.clear()

    def kill_all(self) -> None:
        """Ends everything at once."""
        for process in self._running.values():
            if process.returncode is None:
                process.kill()


def _surroundings() -> dict[str, str]:
    """Our environment without what would lead processes elsewhere: settings of other meshes, and web proxies."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("KUMA_", "URSA_")) and not name.lower().endswith("_proxy")
    }


def tool(name: str) -> str:
    """A command installed beside this Python."""
    return str(Path(sys.executable).parent / name)


def _die_with(parent: int) -> Callable[[], None]:
    """For the child: a process group of its own, out of reach of the terminal's Ctrl-C, and death with the parent."""

    def prepare() -> None:
        os.setpgrp()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before it was asked to tell
            os._exit(1)

    return prepare
