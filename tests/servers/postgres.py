"""PostgreSQL from Debian's package."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.servers.ports import free_port
from tests.servers.process import Server
from ursa.runtime.config.store import StorePostgres

INSTALL = "PostgreSQL is not installed, run deploy/test/install-services.sh"


def program(name: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: int(p.parts[-3]))
    path = str(found[-1]) if found else shutil.which(name)
    if not path:
        pytest.skip(INSTALL)
    return path


class Postgres:
    """One server in `folder`, user and password `ursa`; run as the user postgres when tests run as root.

    So the folder must be one that user can reach, which those of pytest are not. Only with `sync` does the server
    survive a crash of the machine.
    """

    def __init__(self, folder: Path, *, sync: bool = False, settings: tuple[str, ...] = ()) -> None:
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
            *("-c", f"fsync={'on' if sync else 'off'}", "-c", "max_connections=200", "-c", "shared_buffers=64MB"),
            *(part for setting in settings for part in ("-c", setting)),
        ]
        self.server = Server(command, folder / "log", ready=self._answers, user=self._user)

    def access(self, database: str = "postgres", **more: object) -> StorePostgres:
        """Settings that lead to this server."""
        where = {"host": "127.0.0.1", "port": self.port, "db_name": database}
        return StorePostgres.model_validate({**where, "user": "ursa", "password": "ursa", **more})

    def copy(self, folder: Path) -> Server:
        """A replica that follows this server, below `folder`; its port is in `replica_port`."""
        self.replica_port = free_port()
        if self._user:
            shutil.chown(folder, self._user)
        self._run(
            program("pg_basebackup"),
            *("-h", "127.0.0.1", "-p", str(self.port), "-U", "ursa", "-D", str(folder / "data")),
            *("--write-recovery-conf", "--checkpoint", "fast", "--no-sync"),
        )
        command = [program("postgres"), "-D", str(folder / "data"), "-h", "127.0.0.1", "-p", str(self.replica_port)]
        return Server(
            [*command, "-k", "", "-c", "max_connections=200"],
            folder / "log",
            ready=lambda: self._answers(self.replica_port),
            user=self._user,
        )

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
        self.ask(statement, database)

    def ask(self, statement: str, database: str = "postgres", *, port: int = 0) -> str:
        """What a statement answers, unadorned; `port` is that of the replica, if it is asked."""
        return self._run(
            program("psql"),
            *("-h", "127.0.0.1", "-p", str(port or self.port), "-U", "ursa", "-qAt", "-d", database, "-c", statement),
        )

    def _answers(self, port: int = 0) -> bool:
        ready = [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port or self.port)]
        return subprocess.run(ready, check=False).returncode == 0

    def _run(self, *command: str) -> str:
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
        return done.stdout
