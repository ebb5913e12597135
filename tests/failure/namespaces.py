"""Hosts on one machine, without root: each a network namespace, and between them a router that can lose packets.

What is cut is cut as a network does it: packets vanish, and neither side is told.
"""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

from tests.servers.process import Host

UNSHARE = ("unshare", "--map-root-user", "--net")
"""Runs a command in a network namespace of its own, as its root."""


def can_unshare() -> bool:
    """Whether this machine lets us have namespaces."""
    return subprocess.run([*UNSHARE, "ip", "link"], capture_output=True, check=False).returncode == 0


class Network:
    """The router. Only in a process that was started with `UNSHARE`."""

    def __init__(self) -> None:
        self._anchors: list[subprocess.Popen[bytes]] = []

    def open(self) -> None:
        run("ip", "link", "set", "lo", "up")
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")

    async def add_host(self) -> Host:
        """A new host. All can reach each other."""
        number = len(self._anchors) + 1
        command = ["unshare", "--net", "sh", "-c", "echo there; exec sleep 3600"]
        anchor = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: ASYNC220 - ends with the network
        self._anchors.append(anchor)
        assert anchor.stdout is not None
        await asyncio.to_thread(anchor.stdout.readline)
        pid, subnet = str(anchor.pid), f"10.99.{number}"
        run("ip", "link", "add", f"host{number}", "type", "veth", "peer", "name", "eth0", "netns", pid)
        run("ip", "address", "add", f"{subnet}.1/24", "dev", f"host{number}")
        run("ip", "link", "set", f"host{number}", "up")
        inside = ("nsenter", "--target", pid, "--net")
        run(*inside, "ip", "link", "set", "lo", "up")
        run(*inside, "ip", "address", "add", f"{subnet}.2/24", "dev", "eth0")
        run(*inside, "ip", "link", "set", "eth0", "up")
        run(*inside, "ip", "route", "add", "default", "via", f"{subnet}.1")
        return Host(f"{subnet}.2", inside)

    def cut(self, one: Host, other: Host) -> None:
        """Loses whatever these two send each other from now on, on connections there are, too."""
        self._rules("add", one, other)

    def mend(self, one: Host, other: Host) -> None:
        """Undoes `cut`."""
        self._rules("del", one, other)

    def close(self) -> None:
        for anchor in self._anchors:
            anchor.kill()
            anchor.wait()
            if anchor.stdout is not None:
                anchor.stdout.close()

    def _rules(self, verb: str, one: Host, other: Host) -> None:
        for source, target in ((one, other), (other, one)):
            run("ip", "rule", verb, "from", source.address, "to", target.address, "blackhole")


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
