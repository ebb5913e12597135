"""Leases on servers that know none: an entry with a beat that its holder moves.

A candidate that has seen an entry's beat stand still for the entry's whole life, on its own clock, takes the entry with
a compare-and-set. No clock of a server and no wall clock takes part, so setting one neither ends nor prolongs a lease.
The holder counts from before its last beat, the candidate from after it has seen it: see `RenewedLease`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Protocol

from ursa.runtime.clock import Clock
from ursa.store.contract import Lease
from ursa.store.renewed_lease import RenewedLease


@dataclass(frozen=True, slots=True)
class Entry:
    """What is written about a lease; no holder = free."""

    holder: str
    token: int
    beat: int
    ttl: float


class Register(Protocol):
    """Where an engine keeps entries. All raise Unavailable."""

    async def look(self, name: str) -> Entry | None:
        """The entry, None when there never was one."""

    async def take(self, name: str, holder: str, ttl: float, *, seen: Entry | None) -> int | None:
        """Writes a new holder with the next token, if the entry is still the one seen; the token if that worked."""

    async def beat(self, name: str, token: int) -> bool:
        """Moves the beat; False when the entry has another token by now."""

    async def free(self, name: str, token: int) -> None:
        """Removes the holder, if the entry still has this token."""

    async def hint(self, seconds: float) -> None:
        """Returns after this time, or earlier when a lease may have become free."""


class BeatLeases:
    """Takes leases for one process."""

    def __init__(self, register: Register, clock: Clock) -> None:
        self._register, self._clock = register, clock
        self._taken: set[RenewedLease] = set()

    async def acquire(self, name: str, holder: str, ttl: float) -> Lease:
        """See `Store.acquire`."""
        seen: Entry | None = None
        since = 0.0
        while True:
            asked = self._clock.monotonic()
            entry = await self._register.look(name)
            stands_still = entry == seen and entry is not None and asked - since >= entry.ttl
            if entry is None or not entry.holder or stands_still:
                asked = self._clock.monotonic()
                token = await self._register.take(name, holder, ttl, seen=entry)
                if token is not None:
                    return self._lease(name, token, ttl, asked)
            if entry != seen:
                seen, since = entry, self._clock.monotonic()
            await self._register.hint(min(ttl, entry.ttl if entry else ttl) / 3 * self._clock.uniform(0.8, 1.0))

    async def close(self) -> None:
        """Stops renewing; the leases run out."""
        for lease in self._taken:
            await lease.abandon()

    def _lease(self, name: str, token: int, ttl: float, asked: float) -> Lease:
        lease = RenewedLease(
            name,
            token,
            ttl=ttl,
            asked=asked,
            clock=self._clock,
            renew=partial(self._register.beat, name, token),
            free=partial(self._register.free, name, token),
        )
        self._taken = {taken for taken in self._taken if taken.held} | {lease}
        return lease
