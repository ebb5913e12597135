"""Frames of HTTP/2 (RFC 9113 §4, §6) as far as they are read and written without `h2`."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER = Struct(">BHBBI")
"""Length in two parts, kind, flags, stream."""
STREAM_BITS = 0x7FFF_FFFF
INITIAL_WINDOW = 65_535
MAX_WINDOW = 0x7FFF_FFFF
MAX_FRAME = 16_384
"""Largest payload that a peer may send to us: the initial value, which is never raised."""


class Kind(IntEnum):
    """Kinds of frames; others are to be ignored."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Flag(IntEnum):
    """Flags; what they mean depends on the kind of frame."""

    ACK = 0x1
    END_STREAM = 0x1
    END_HEADERS = 0x4
    PADDED = 0x8


class Code(IntEnum):
    """Why a stream or connection ends."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    ENHANCE_YOUR_CALM = 11


def frame_header(size: int, kind: int, *, flags: int = 0, stream: int = 0) -> bytes:
    """What comes before a payload of that size."""
    return HEADER.pack(size >> 16, size & 0xFFFF, kind, flags, stream)


def frame(kind: int, payload: bytes, *, flags: int = 0, stream: int = 0) -> bytes:
    """A whole frame."""
    return frame_header(len(payload), kind, flags=flags, stream=stream) + payload


def window_update(stream: int, increment: int) -> bytes:
    """Allows a peer to send that much more."""
    return frame(Kind.WINDOW_UPDATE, increment.to_bytes(4, "big"), stream=stream)


def ping(payload: bytes, *, answer: bool = False) -> bytes:
    """Asks whether the peer is there, or answers."""
    return frame(Kind.PING, payload, flags=Flag.ACK if answer else 0)


def go_away(last_stream: int, code: int, reason: str = "") -> bytes:
    """Says that streams after `last_stream` are not served."""
    return frame(Kind.GOAWAY, last_stream.to_bytes(4, "big") + int(code).to_bytes(4, "big") + reason.encode())


def unpadded(payload: bytes, flags: int) -> bytes | None:
    """The content of a DATA payload; None if its padding is longer than itself."""
    if not flags & Flag.PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        return None
    return payload[1 : len(payload) - payload[0]]
