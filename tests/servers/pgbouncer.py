"""pgbouncer in transaction mode, from Debian's package."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from tests.servers.ports import free_port
from tests.servers.process import Server

INSTALL = "pgbouncer is not installed, run deploy/test/install-services.sh"


class PgBouncer:
    """A pooler of few server connections in front of a PostgreSQL on this machine."""

    def __init__(self, folder: Path, target: int) -> None:
        program = shutil.which("pgbouncer")
        if program is None:
            pytest.skip(INSTALL)
        self.port = free_port()
        users, config = folder / "users", folder / "pgbouncer.ini"
        users.write_text('"ursa" "ursa"\n')
        config.write_text(
            f"[databases]\n* = host=127.0.0.1 port={target}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {self.port}\nunix_socket_dir =\nauth_type = plain\nauth_file = {users}\n"
            "pool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 200\n"
        )
        user = "postgres" if os.getuid() == 0 else ""
        if user:
            for path in (folder, users, config):
                shutil.chown(path, user)
        self.server = Server([program, str(config)], folder / "log", ready=self._listens, user=user)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
