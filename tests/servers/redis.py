"""Redis from Debian's package."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers.ports import free_port
from tests.servers.process import Server

INSTALL = "Redis is not installed, run deploy/test/install-services.sh"


class RedisServer:
    """One server in `folder` that keeps everything it acknowledges; `extra` are further settings."""

    def __init__(self, folder: Path, extra: tuple[str, ...] = (), *, password: str = "") -> None:
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip(INSTALL)
        self.port = free_port()
        command = [
            program,
            *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""),
            *("--appendonly", "yes", "--appendfsync", "always"),
            *(("--requirepass", password) if password else ()),
            *extra,
        ]
        self._password = password
        self.server = Server(command, folder / "log", ready=lambda: self.cli("PING") == "PONG")

    async def start(self) -> None:
        await self.server.start()

    async def stop(self) -> None:
        await self.server.stop()

    async def kill(self) -> None:
        await self.server.kill()

    def cli(self, *arguments: str) -> str:
        """What redis-cli says."""
        command = ["redis-cli", "-p", str(self.port), *arguments]
        environment = {**os.environ, **({"REDISCLI_AUTH": self._password} if self._password else {})}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment).stdout.strip()
