"""Spreads streams evenly again after replicas came or went: who has more than its share lets some go, a few at a time.

Peers find another replica by themselves, through the one address they know, so nothing here decides where a stream
goes. What each replica serves is in the catalogue. Nothing runs while all have about their share: only a change of the
catalogue or of the own number wakes this. A load balancer that leads peers back to where they were is not fought: who
was let go twice is spared for a while, and those go first that never were.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from kds.replicas.catalogue import CONFIG, Replica, read_catalogue
from kds.replicas.holdings import Holdings
from kds.replicas.shares import Limits, surplus
from kds.streams import race
from ursa.runtime.clock import Clock
from ursa.runtime.config.multizone import InterCpBalance
from ursa.view.live import LiveView

log = logging.getLogger(__name__)

UNSETTLED = 1.5
"""A pause takes up to this times as long as said, so that replicas do not act at the same moment."""


MOST = 2
"""How often a peer is let go until it is spared. No setting: where connections are spread at random every second one
comes back, and on average each peer has to go once."""


@dataclass(frozen=True, slots=True)
class Moves:
    """How often a peer was let go, and until when that counts."""

    count: int
    until: float


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a replica has to go by: where it stands, and whether that can be trusted now."""

    live: LiveView
    holdings: Holdings
    is_cut_off: Callable[[], bool]
    """Whether the store cannot be reached, and with it the catalogue."""


class Balance:
    """A supervised component."""

    def __init__(self, settings: InterCpBalance, own: Replica, around: Surroundings, clock: Clock) -> None:
        self._settings, self._own, self._clock = settings, own, clock
        self._live, self._holdings, self._is_cut_off = around.live, around.holdings, around.is_cut_off
        self._limits = Limits(settings.margin_percent / 100, settings.step_percent / 100)
        self._moves: dict[str, Moves] = {}
        """Peers that were let go not long ago."""

    async def run(self) -> None:
        """Levels whenever there is need, until cancelled."""
        if not self._settings.enabled:
            return
        await self._live.ready.wait()
        while True:
            await self._until_uneven()
            members = self._members()
            # Who has just come may not be known to load balancers, and who has just died may still be listed.
            await self._pause(self._settings.delay)
            if self._surplus() and self._members() == members:
                await self._level(members)

    async def _level(self, members: frozenset[str]) -> None:
        """Lets streams go, round by round, until there is no surplus."""
        log.info(
            "moving streams to other instances", extra={"streams": self._holdings.count, "surplus": self._surplus()}
        )
        begun, moving = self._holdings.moved, 0
        while self._members() == members:
            count = self._surplus(moving=moving, begun=True)
            if not count and not moving:
                break
            moving = await self._round(count, moving)
        moved = self._holdings.moved - begun
        log.info("moved streams to other instances", extra={"streams": self._holdings.count, "moved": moved})

    async def _round(self, count: int, moving: int) -> int:
        """Lets so many streams go, spread over an interval; returns how many went."""
        went = 0
        while went < count and self._surplus(moving=moving + went, begun=True):
            peer = self._holdings.release(self._recent_moves(), most=MOST)
            if peer is None:
                break
            went += 1
            known = self._moves.get(peer)
            self._moves[peer] = Moves(known.count + 1 if known else 1, self._clock.monotonic() + self._settings.rest)
            await self._pause(self._settings.interval / count)
        if not count:
            await self._pause(self._settings.interval)
        return went

    def _surplus(self, *, moving: int = 0, begun: bool = False) -> int:
        """How many streams to let go now; none while nobody knows how the others are."""
        catalogue = read_catalogue(self._live.current)
        others = [one.streams for one in catalogue if one.id != self._own.id]
        if not others or len(others) == len(catalogue) or self._is_cut_off() or not any(o.leader for o in catalogue):
            return 0
        found = surplus(self._holdings.count, others, self._limits, moving=moving, begun=begun)
        return min(found, self._holdings.movable(self._recent_moves(), most=MOST)) if found else 0

    def _recent_moves(self) -> dict[str, int]:
        now = self._clock.monotonic()
        self._moves = {peer: moves for peer, moves in self._moves.items() if moves.until > now}
        return {peer: moves.count for peer, moves in self._moves.items()}

    def _members(self) -> frozenset[str]:
        return frozenset(one.id for one in read_catalogue(self._live.current))

    async def _until_uneven(self) -> None:
        """Returns when there is a surplus; looks only when the catalogue or the own number has changed."""
        subscription = self._live.subscribe("balance of streams")

        async def catalogue_changes() -> None:
            while CONFIG not in {key.name for key in (await subscription.next()).touched.keys if key.kind == "Config"}:
                pass

        try:
            while not self._surplus():
                await race(catalogue_changes(), self._holdings.change(self._holdings.changes))
        finally:
            subscription.close()

    async def _pause(self, seconds: float) -> None:
        await self._clock.sleep(self._clock.uniform(seconds, UNSETTLED * seconds))
