"""What a connection tells whoever drives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Headers: TypeAlias = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Requested:
    """A peer opened a stream."""

    stream: int
    headers: Headers


@dataclass(frozen=True, slots=True)
class Received:
    """Bytes of a request's body; `size` is what they took of the window, to be given back by `credit`."""

    stream: int
    data: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A request is complete."""

    stream: int


@dataclass(frozen=True, slots=True)
class Reset:
    """A stream is gone: the peer gave it up, or broke the rules on it."""

    stream: int


@dataclass(frozen=True, slots=True)
class Ponged:
    """The peer answered a ping of ours."""


@dataclass(frozen=True, slots=True)
class PeerLeaves:
    """The peer will open no more streams."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The peer broke the protocol; once the outgoing bytes are written the connection has to be closed."""

    reason: str


Event: TypeAlias = Requested | Received | Ended | Reset | Ponged | PeerLeaves | Broken
