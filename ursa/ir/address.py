"""Where something listens or is reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """An IP address (or a host name, for clusters resolved by DNS) and a port; `udp` for datagrams."""

    address: str
    port: int
    udp: bool = False


@dataclass(frozen=True, slots=True)
class Pipe:
    """A Unix socket."""

    path: str


Address: TypeAlias = SocketAddress | Pipe
