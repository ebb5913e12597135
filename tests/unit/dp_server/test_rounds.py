"""Each member is looked at once per interval, with one timer that only runs while there are members."""

from __future__ import annotations

import asyncio
from collections import Counter

from zone_cp.dp_server.rounds import PORTIONS, Rounds


class Loop:
    """Timers that go off when a test says so."""

    def __init__(self) -> None:
        self.timers: list[asyncio.TimerHandle] = []
        self.loop = asyncio.get_running_loop()

    def call_later(self, delay: float, callback: object) -> asyncio.TimerHandle:
        self.timers.append(asyncio.TimerHandle(self.loop.time() + delay, callback, (), self.loop))
        return self.timers[-1]

    def advance(self) -> bool:
        """The next timer goes off; False when there is none."""
        waiting = [timer for timer in self.timers if not timer.cancelled()]
        self.timers.clear()
        for timer in waiting:
            timer._run()
        return bool(waiting)


async def test_every_member_is_seen_once_per_interval() -> None:
    clock, seen = Loop(), Counter[str]()
    rounds = Rounds[str](15.0, lambda member: seen.update([member]), call_later=clock.call_later)
    rounds.add("first")
    for _ in range(PORTIONS - 1):
        assert clock.advance()
    assert not seen
    rounds.add("second")
    assert clock.advance()
    assert seen == {"first": 1}
    for _ in range(3 * PORTIONS):
        assert len([timer for timer in clock.timers if not timer.cancelled()]) == 1
        assert clock.advance()
    assert seen == {"first": 4, "second": 3}
    assert sorted(rounds) == ["first", "second"]


async def test_who_left_is_not_looked_at_and_nobody_needs_no_timer() -> None:
    clock, seen = Loop(), list[str]()

    def look(member: str) -> None:
        seen.append(member)
        for other in ("a", "b"):
            rounds.discard(other)

    rounds = Rounds[str](15.0, look, call_later=clock.call_later)
    rounds.add("a")
    rounds.add("b")
    for _ in range(PORTIONS):
        clock.advance()
    assert seen == ["a"]
    assert not clock.advance()
    assert len(rounds) == 0
    rounds.add("c")
    rounds.discard("c")
    rounds.discard("c")
    assert not clock.advance()
