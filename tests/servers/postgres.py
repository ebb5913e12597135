"""PostgreSQL from Debian's package."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.servers.process import Server, free_port

INSTALL = "PostgreSQL is not installed, run deploy/test/install-services.sh"


def program(name: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: int(p.parts[-3]))
    path = str(found[-1]) if found else shutil.which(name)
    if not path:
        pytest.skip(INSTALL)
    return path


class Postgres:
    """One server in `folder`, user and password `ursa`; run as the user postgres when tests run as root.

    So the folder must be one that user can reach, which those of pytest are not.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._user = "postgres" if os.getuid() == 0 else ""
        data = folder / "data"
        if self._user:
            shutil.chown(folder, self._user)
        password = folder / "password"
        password.write_text("ursa")
        password.chmod(0o644)
        self._run(
            program("initdb"),
            *("--pgdata", str(data), "--username", "ursa", "--pwfile", str(password), "--auth", "scram-sha-256"),
            *("--no-sync", "--encoding", "UTF8", "--locale", "C.UTF-8"),
        )
        command = [
            program("postgres"),
            *("-D", str(data), "-h", "127.0.0.1", "-p", str(self.port), "-k", ""),
            *("-c", "fsync=off", "-c", "max_connections=200", "-c", "shared_buffers=64MB"),
        ]
        self.server = Server(command, folder / "log", ready=self._answers, user=self._user)

    async def start(self) -> None:
        await self.server.start()

    async def stop(self) -> None:
        """Without waiting for clients."""
        await self.server.stop(signal.SIGINT)

    async def kill(self) -> None:
        await self.server.kill()

    def create_database(self, name: str) -> None:
        self.psql(f'CREATE DATABASE "{name}"')

    def psql(self, statement: str, database: str = "postgres") -> None:
        self._run(
            program("psql"),
            *("-h", "127.0.0.1", "-p", str(self.port), "-U", "ursa", "-q", "-d", database, "-c", statement),
        )

    def _answers(self) -> bool:
        ready = [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command,
            env={**os.environ, "PGPASSWORD": "ursa"},
            user=self._user or None,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
