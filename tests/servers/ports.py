"""Ports for servers under test: no two get the same one, whichever of the runs on this machine they belong to.

Whether nobody listens at a port says little while several tests start their servers at once, so ports are dealt out of
blocks, and a block belongs to one process for as long as it lives.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import suppress

PORTS = range(19_000, 22_000)
"""Above those that the workloads of meshes under test have and below those of the control planes of such meshes; far
below those that the system gives to outgoing connections, one of which could take a port before its server does."""

BLOCK, ENOUGH = 50, 200
"""Ports that are claimed at once, and how many a process claims: more than are in use at the same time."""

_claims: list[socket.socket] = []


def claim(name: str) -> bool:
    """Takes a name until this process ends; answers whether nobody else on this machine has it."""
    mark = socket.socket(socket.AF_UNIX)
    try:
        mark.bind(f"\0ursa-tests/{name}")
    except OSError:
        mark.close()
        return False
    _claims.append(mark)
    return True


def free_port() -> int:
    """A port at which nobody listens, on any address."""
    for port in _ports:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("", port))
            return port
    raise RuntimeError("no port is free")


def _dealt() -> Iterator[int]:
    """Every port of one block after the other; once there are enough, those that were dealt first again."""
    blocks = range(PORTS.start, PORTS.stop, BLOCK)
    own: list[int] = []
    for start in random.sample(blocks, len(blocks)):
        if claim(f"ports/{start}"):
            block = range(start, start + BLOCK)
            own += block
            yield from block
        if len(own) >= ENOUGH:
            break
    while own:
        yield from own


_ports = _dealt()
