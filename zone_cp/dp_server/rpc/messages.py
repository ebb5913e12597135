"""gRPC's messages within the bytes of a stream: a flag, a length, the content. No I/O."""

from __future__ import annotations

import zlib

from zone_cp.dp_server.calls import CallEnded, Status

PREFIX = 5
LARGEST = 4 * 1024 * 1024
"""Bytes of a message from a proxy; gRPC's usual limit."""

WINDOW_BITS = {"gzip": 31, "deflate": 15}
"""By encoding, what zlib has to expect."""

ACCEPTED = "identity, deflate, gzip"


def prefix(size: int) -> bytes:
    """What comes before an uncompressed message of that size."""
    return size.to_bytes(PREFIX, "big")


class MessageReader:
    """Cuts messages out of bytes that come in any portions."""

    def __init__(self, encoding: str = "identity", *, largest: int = LARGEST) -> None:
        """Reads messages that may be compressed with this encoding, and none that are larger.

        Raises:
            CallEnded: the encoding is not known.
        """
        if encoding != "identity" and encoding not in WINDOW_BITS:
            raise CallEnded(Status.UNIMPLEMENTED, f"compression {encoding} is not supported")
        self._encoding, self._largest = encoding, largest
        self._buffer = bytearray()

    @property
    def partial(self) -> int:
        """Bytes of a message that has begun and is not complete."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Takes bytes in; returns the messages that are complete now.

        Raises:
            CallEnded: they are no messages, or one is too large.
        """
        if not self._buffer and len(data) >= PREFIX and len(data) - PREFIX == int.from_bytes(data[1:PREFIX], "big"):
            # What nearly always comes: one message, whole.
            return [self._content(data[0], data[PREFIX:])]
        self._buffer += data
        messages: list[bytes] = []
        at = 0
        while len(self._buffer) - at >= PREFIX:
            size = int.from_bytes(self._buffer[at + 1 : at + PREFIX], "big")
            end = at + PREFIX + size
            self._check(size)
            if len(self._buffer) < end:
                break
            messages.append(self._content(self._buffer[at], bytes(self._buffer[at + PREFIX : end])))
            at = end
        del self._buffer[:at]
        return messages

    def _content(self, flag: int, message: bytes) -> bytes:
        self._check(len(message))
        if flag == 0:
            return message
        if flag != 1 or self._encoding == "identity":
            raise CallEnded(Status.INTERNAL, "a message has a flag that was not announced")
        unpacker = zlib.decompressobj(WINDOW_BITS[self._encoding])
        try:
            content = unpacker.decompress(message, self._largest + 1)
        except zlib.error as error:
            raise CallEnded(Status.INTERNAL, f"a message cannot be decompressed: {error}") from None
        self._check(len(content))
        if not unpacker.eof:
            raise CallEnded(Status.INTERNAL, "a compressed message is not complete")
        return content

    def _check(self, size: int) -> None:
        if size > self._largest:
            text = f"received message larger than max ({size} vs. {self._largest})"
            raise CallEnded(Status.RESOURCE_EXHAUSTED, text)
