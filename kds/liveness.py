"""Whether a stream is alive. A connection can be well while one stream in it is dead: a proxy in between may have lost
it, or a window may never open again. So every stream proves itself.

The receiver of resources asks for a type that does not exist, and the sender answers, as it does for every type it does
not know. Both know from that exchange how long the other has been silent, and how far the sender's state has come.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from kds.byte_stream import ByteStream, read_message
from kds.sender import Sender
from kds.waiting import within
from ursa.errors import Unavailable
from ursa.runtime.clock import Clock

STOOD_STILL = 1.0
"""Seconds by which a look may be late before it says more about this process than about the peer. No setting: a process
that was stopped, or too busy, has not read what came meanwhile."""

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
        at_first: like `silence`, while the stream has not lived for twice as long, if that is more.
    """

    heartbeat: float = 2.0
    silence: float = 5.0
    unanswered: float = 60.0
    response: float = 0.0
    at_first: float = 0.0

    def borne(self, lived: float) -> float:
        """The silence that a stream may keep which has lived for so long."""
        return max(self.silence, self.at_first) if lived < 2 * self.at_first else self.silence


class Patience:
    """How long streams of one method may be silent at first: twice as long each time one was given up after another.

    The way may be slow instead of dead, so that one message takes longer than silence is borne. Who gave up after the
    same time again and again would never get it.
    """

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._limits, self._clock = limits, clock
        self._given_up = 0

    @contextmanager
    def stream(self) -> Iterator[Limits]:
        """The limits of the next stream, which lasts as long as this."""
        usual, began = self._limits.silence, self._clock.monotonic()
        silence = min(max(usual, self._limits.unanswered), usual * 2.0**self._given_up)
        try:
            yield replace(self._limits, at_first=silence)
        except Silent:
            # One that has lived for some time brought something before.
            in_a_row = self._clock.monotonic() - began < 2 * silence
            self._given_up = self._given_up + 1 if in_a_row else 1
            raise
        except BaseException:
            self._given_up = 0
            raise


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

    async def pause(self, seconds: float) -> None:
        """Sleeps between two looks; what this process has slept through itself is no silence of the peer."""
        due = self._clock.monotonic() + seconds
        await self._clock.sleep(seconds)
        late = self._clock.monotonic() - due
        if self._since is not None and late > STOOD_STILL:
            self._since += late
            # What has come meanwhile is read first.
            await self._clock.sleep(SOON)

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
    ear: Ear, beats: Callable[[], bool], beat: Callable[[], Coroutine[Any, Any, None]], *, limits: Limits, clock: Clock
) -> None:
    """Asks for proofs of life; raises Silent when none come.

    Args:
        ear: hears the sender.
        beats: whether the sender is known to answer.
        beat: asks once.
        limits: of the stream.
        clock: time.
    """
    # Who is known to listen hears from us at once: until then it cannot know what our silence means.
    began = clock.monotonic()
    next_beat = began + SOON
    while True:
        patience = limits.borne(clock.monotonic() - began) if beats() else limits.unanswered
        left = patience - ear.silence
        if left <= 0 and (beats() or not ear.heard):
            raise Silent(f"nothing has come for {ear.silence:.1f} s")
        if beats() and clock.monotonic() >= next_beat:
            next_beat = clock.monotonic() + limits.heartbeat
            # Where nothing can be written for so long, nothing is heard either.
            await within(beat(), limits.silence, clock)
        wait = max(next_beat - clock.monotonic(), SOON) if beats() else limits.heartbeat
        await ear.pause(min(max(left, SOON), wait))


async def watch_sender(ear: Ear, sender: Sender, *, limits: Limits, clock: Clock) -> None:
    """Raises Silent when the receiver no longer asks for proofs of life, or leaves a response unanswered."""
    began = clock.monotonic()
    while True:
        patience = limits.borne(clock.monotonic() - began) if sender.beaten else limits.unanswered
        left = patience - ear.silence
        if left <= 0 and (sender.beaten or not ear.heard):
            raise Silent(f"nothing has come for {ear.silence:.1f} s")
        if (waiting := sender.unanswered()) is not None and waiting.seconds > limits.unanswered:
            raise Silent(f"a response of type {waiting.kind} has not been answered for {waiting.seconds:.0f} s")
        await ear.pause(min(max(left, SOON), limits.heartbeat))
