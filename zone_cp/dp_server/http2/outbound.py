"""The way out: what waits on streams becomes frames as far as windows and room allow, streams taking turns.

A message stays the one shared object it is until its turn comes, and only the pieces that can be sent are copied; a
peer that does not read costs a window of copies, however much it is to get.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from zone_cp.dp_server.http2.budget import Budget
from zone_cp.dp_server.http2.events import Headers
from zone_cp.dp_server.http2.frames import INITIAL_WINDOW, MAX_FRAME, Kind, frame_header

ROOM = 64 * 1024
"""Bytes that wait for the transport at most, apart from answers to a peer's own frames."""


@dataclass(slots=True)
class OutboundStream:
    """The sending half of a stream.

    Attributes:
        window: what the peer allows to be sent; negative after it made its windows smaller.
        waiting: pieces that were not sent yet.
        trailers: what ends the stream when nothing waits any more.
    """

    id: int
    window: int
    waiting: deque[bytes | memoryview] = field(default_factory=deque)
    trailers: Headers | None = None


class Outbound:
    """Everything of a connection that waits for its transport."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._out: list[bytes | memoryview] = []
        self.size = 0
        self.window = INITIAL_WINDOW
        self.max_frame = MAX_FRAME
        self._turns: dict[int, OutboundStream] = {}

    def control(self, data: bytes) -> None:
        """Queues frames that no window holds back."""
        self._out.append(data)
        self.size += len(data)

    def queue(self, stream: OutboundStream, *pieces: bytes) -> None:
        """Data to be sent on a stream."""
        stream.waiting.extend(piece for piece in pieces if piece)
        self._turns[stream.id] = stream

    def opened(self, stream: OutboundStream) -> None:
        """The window of a stream grew."""
        if stream.waiting:
            self._turns[stream.id] = stream

    def forget(self, stream: OutboundStream) -> None:
        """Nothing more is to be sent on a stream."""
        stream.waiting.clear()
        self._turns.pop(stream.id, None)

    def fill(self) -> list[OutboundStream]:
        """Makes frames of what may be sent now; returns the streams on which nothing waits any more."""
        done: list[OutboundStream] = []
        while self._turns and self.window > 0 and self.size < ROOM:
            stream = self._turns.pop(next(iter(self._turns)))
            if stream.waiting and stream.window > 0:
                self._frame(stream)
            if not stream.waiting:
                done.append(stream)
            elif stream.window > 0:
                self._turns[stream.id] = stream
        return done

    def take(self) -> bytes:
        """The bytes to write next."""
        data = b"".join(self._out)
        self._out.clear()
        self.size = 0
        return data

    def _frame(self, stream: OutboundStream) -> None:
        left = min(stream.window, self.window, self.max_frame)
        pieces: list[bytes | memoryview] = []
        size = 0
        while left and stream.waiting:
            piece = stream.waiting.popleft()
            if len(piece) > left:
                whole = memoryview(piece)
                stream.waiting.appendleft(whole[left:])
                piece = whole[:left]
            pieces.append(piece)
            size += len(piece)
            left -= len(piece)
        stream.window -= size
        self.window -= size
        self._out.append(frame_header(size, Kind.DATA, stream=stream.id))
        self._out += pieces
        self.size += size
        self._budget.earn()
