"""What streams of proxies are to those who serve them: messages, metadata and an end; no library of any wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from enum import IntEnum
from typing import Protocol, TypeAlias

from ursa.errors import Unavailable


class Status(IntEnum):
    """How a call ends, in gRPC's numbers."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    DEADLINE_EXCEEDED = 4
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14


class CallEnded(Exception):
    """Raised by a handler to end its call with a status other than OK."""

    def __init__(self, status: Status, text: str, *, leave: bool = False) -> None:
        """Ends a call.

        Args:
            status: the status.
            text: what the caller is told.
            leave: whether the caller should not use the same connection for its next attempt.
        """
        super().__init__(text)
        self.status, self.leave = status, leave


class Call(Protocol):
    """One call, as its handler sees it: an asynchronous iterator of messages."""

    @property
    def peer(self) -> str:
        """Address of the caller."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the caller sent along; names in lower case."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def write(self, message: bytes) -> None:
        """Sends a message; returns when it is on its way, so that who does not read is not sent the next one."""


Handler: TypeAlias = Callable[[Call], Awaitable[None]]
"""Serves a call; it is cancelled when the caller gives up."""


class StreamService(Protocol):
    """A service whose streams last as long as proxies are connected."""

    def methods(self) -> Mapping[str, Handler]:
        """By path, what serves calls."""

    def close(self) -> None:
        """Ends all streams."""


async def first_request(requests: AsyncIterator[bytes], *, patience: float) -> bytes | None:
    """The first message of a stream, which says who it is; None if it ends before.

    Raises:
        Unavailable: it takes more than so many seconds.
    """
    try:
        async with asyncio.timeout(patience):
            return await anext(requests, None)
    except TimeoutError:
        raise Unavailable(f"no request within {patience:g}s") from None


def authorization(call: Call) -> str:
    """The token of the caller; empty if it sent none."""
    return call.metadata.get("authorization", "")
