"""The streams that a replica serves: how many, which of them for longest, and how to part with one gently."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ursa.errors import Unavailable


class Crowded(Unavailable):
    """This replica serves more than its share; the peer should connect again, to whichever one it finds."""

    def __init__(self) -> None:
        super().__init__(
            "this instance serves more than its share of streams; connect again to be served by another one"
        )


class Leaving(Unavailable):
    """This replica stops; the zone finds another one, or this one again."""

    def __init__(self) -> None:
        super().__init__("the global control plane is shutting down")


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """One peer with a stream here."""

    peer: str
    let_go: Callable[[], None]


class Holdings:
    """All peers with a stream here, in the order in which they came."""

    def __init__(self) -> None:
        self._held: dict[Held, None] = {}
        self._changes = 0
        self._changed = asyncio.Event()
        self.moved = 0
        """Streams let go so far for others to serve them."""

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._held)

    @property
    def changes(self) -> int:
        """A number that is another one after every change."""
        return self._changes

    def add(self, peer: str, let_go: Callable[[], None]) -> Held:
        """A peer has come; `let_go` ends its stream so that it connects anew."""
        held = Held(peer, let_go)
        self._held[held] = None
        self._note()
        return held

    def discard(self, held: Held) -> None:
        """Its stream has ended."""
        if held in self._held:
            del self._held[held]
            self._note()

    def movable(self, moves: Mapping[str, int], *, most: int) -> int:
        """How many there are that were let go less than `most` times, as `moves` counts."""
        return sum(moves.get(held.peer, 0) < most for held in self._held)

    def release(self, moves: Mapping[str, int], *, most: int) -> str | None:
        """Lets one go: of those that were let go least, less than `most` times, the one that came first.

        Returns who that was, None when there is nobody.
        """
        candidates = [held for held in self._held if moves.get(held.peer, 0) < most]
        if not candidates:
            return None
        held = min(candidates, key=lambda one: moves.get(one.peer, 0))
        self.discard(held)
        self.moved += 1
        held.let_go()
        return held.peer

    async def change(self, seen: int) -> None:
        """Returns as soon as `changes` is another number than this."""
        while self._changes == seen:
            await self._changed.wait()

    def _note(self) -> None:
        self._changes += 1
        self._changed.set()
        self._changed = asyncio.Event()
