"""Whether a stream is alive. A connection can be well while one stream in it is dead: a proxy in between may have lost
it, or a window may never open again. So every stream proves itself.

The receiver of resources asks for a type that does not exist, and the sender answers, as it does for every type it does
not know. Both know from that exchange how long the other has been silent, and how far the sender's state has come.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kds.byte_stream import ByteStream, read_message
from kds.sender import Sender
from ursa.errors import Unavailable
from ursa.runtime.clock import Clock

SOON = 0.1
"""Seconds between two looks at least. No setting: it only bounds how much later than its limits a stream ends."""


class Silent(Unavailable):
    """A stream is open, but nothing comes through it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a stream must keep to, in seconds.

    Attributes:
        heartbeat: between two proofs of life.
        silence: without any message from a peer that sends proofs of life.
        unanswered: between a response and its answer, or between the opening of a stream and the first message, with
            any peer.
        response: before every answer to a response, except the first of its type.
    """

    heartbeat: float = 2.0
    silence: float = 5.0
    unanswered: float = 60.0
    response: float = 0.0


class Ear:
    """Reads a stream and knows for how long there was nothing to hear. Time spent with a message does not count."""

    def __init__(self, stream: ByteStream, clock: Clock) -> None:
        self._stream, self._clock = stream, clock
        self._since: float | None = None
        self.heard = False
        """Whether anything has come at all."""

    @property
    def silence(self) -> float:
        """Seconds waited for the message that has not come yet."""
        return 0.0 if self._since is None else self._clock.monotonic() - self._since

    async def read(self) -> bytes | None:
        """The next message, None at the end of the stream."""
        self._since = self._clock.monotonic()
        try:
            message = await read_message(self._stream)
        finally:
            self._since = None
        self.heard = True
        return message


async def watch_requester(
    ear: Ear, beats: Callable[[], bool], beat: Callable[[], Awaitable[None]], *, limits: Limits, clock: Clock
) -> None:
    """Asks for proofs of life; raises Silent when none come.

    Args:
        ear: hears the sender.
        beats: whether the sender is known to answer.
        beat: asks once.
        limits: of the stream.
        clock: time.
    """
    next_beat = clock.monotonic() + limits.heartbeat
    while True:
        patience = limits.silence if beats() else limits.unanswered
        left = patience - ear.silence
        if left <= 0 and (beats() or not ear.heard):
            raise Silent(f"nothing has come for {ear.silence:.1f} s")
        await clock.sleep(min(max(left, SOON), max(next_beat - clock.monotonic(), SOON)))
        if clock.monotonic() >= next_beat:
            next_beat = clock.monotonic() + limits.heartbeat
            if beats():
                await beat()


async def watch_sender(ear: Ear, sender: Sender, *, limits: Limits, clock: Clock) -> None:
    """Raises Silent when the receiver no longer asks for proofs of life, or leaves a response unanswered."""
    while True:
        left = limits.silence - ear.silence
        if sender.beaten and left <= 0:
            raise Silent(f"nothing has come for {ear.silence:.1f} s")
        if (waiting := sender.unanswered()) is not None and waiting.seconds > limits.unanswered:
            raise Silent(f"a response of type {waiting.kind} has not been answered for {waiting.seconds:.0f} s")
        await clock.sleep(min(max(left, SOON), limits.heartbeat))
