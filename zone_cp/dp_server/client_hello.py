"""Reads which application protocols a TLS client offers, before any TLS is spoken. Pure functions on bytes.

One port serves two servers that each do their own TLS. Which one a connection is for follows from the protocols in its
first message, which is not encrypted.
"""

from __future__ import annotations

from collections.abc import Iterator

HANDSHAKE = 22
CLIENT_HELLO = 1
ALPN = 16
RECORD_HEADER = 5
MESSAGE_HEADER = 4
MAX_HELLO = 16_384
"""No client has more to say in its first message; who has is garbage."""


class NotTls(Exception):
    """These bytes cannot become a ClientHello."""


def bytes_needed(data: bytes) -> int:
    """How many bytes must be there to go on: at most `len(data)` when the ClientHello is complete.

    Raises:
        NotTls: more bytes will not help.
    """
    records, needed = _records(data)
    if needed > len(data) and len(records) < MESSAGE_HEADER:
        return needed
    if records[0] != CLIENT_HELLO:
        raise NotTls("the first message is no ClientHello")
    size = int.from_bytes(records[1:4], "big")
    if size > MAX_HELLO:
        raise NotTls("the ClientHello is too long")
    return needed if len(records) < MESSAGE_HEADER + size else len(data)


def offered_protocols(data: bytes) -> tuple[str, ...]:
    """The ALPN protocols of a complete ClientHello; empty when it has none.

    Raises:
        NotTls: the message is broken.
    """
    records, _ = _records(data)
    try:
        for kind, content in _extensions(records):
            if kind == ALPN:
                return tuple(_names(content))
    except IndexError:
        raise NotTls("the ClientHello is broken") from None
    return ()


def _records(data: bytes) -> tuple[bytes, int]:
    """The handshake bytes in all records so far, and how many raw bytes the next incomplete record needs."""
    content, at = b"", 0
    while True:
        header = data[at : at + RECORD_HEADER]
        if (header and header[0] != HANDSHAKE) or (len(header) > 1 and header[1] != 3):
            raise NotTls("this is not TLS")
        if len(header) < RECORD_HEADER:
            return content, at + RECORD_HEADER
        end = at + RECORD_HEADER + int.from_bytes(header[3:], "big")
        content += data[at + RECORD_HEADER : end]
        if end > len(data):
            return content, end
        at = end


def _extensions(records: bytes) -> Iterator[tuple[int, bytes]]:
    at = MESSAGE_HEADER + 2 + 32  # version and random
    at += 1 + records[at]  # session id
    at += 2 + _short(records, at)  # cipher suites
    at += 1 + records[at]  # compression methods
    if at + 2 > len(records):
        return
    end = at + 2 + _short(records, at)
    at += 2
    while at + 4 <= end:
        size = _short(records, at + 2)
        yield _short(records, at), records[at + 4 : at + 4 + size]
        at += 4 + size


def _names(content: bytes) -> Iterator[str]:
    at = 2
    while at < len(content):
        size = content[at]
        yield content[at + 1 : at + 1 + size].decode("ascii", errors="replace")
        at += 1 + size


def _short(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1]
