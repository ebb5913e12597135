"""What the transport needs from the rest of the zone control plane: who may connect, and what a proxy should have."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Protocol

from ursa.discovery.snapshot import Snapshot
from zone_cp.dp_server.node import NodeInfo


class ProxyStream(Protocol):
    """The part of the control plane that serves one stream of one proxy."""

    @property
    def superseded(self) -> asyncio.Event:
        """Set when the proxy has connected again: the newest stream of a node wins."""

    async def next_snapshot(self, seen: Snapshot | None) -> Snapshot:
        """The current snapshot, as soon as it is another object than `seen`."""

    def sent(self, type_url: str, size: int) -> None:
        """A response of so many bytes went out."""

    def acknowledged(self, type_url: str, version: str) -> None:
        """The proxy applied a response."""

    def rejected(self, type_url: str, version: str, reason: str, names: tuple[str, ...]) -> None:
        """The proxy refused a response because of these resources."""

    def settled(self) -> None:
        """The proxy has applied everything of the newest snapshot it was given."""

    async def close(self) -> None:
        """The stream ended."""


class Attach(Protocol):
    """Authenticates a proxy and registers its stream; raises UrsaError to refuse it."""

    def __call__(self, node: NodeInfo, authorization: str, *, delta: bool) -> Awaitable[ProxyStream]: ...
