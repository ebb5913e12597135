"""A lease kept on a server: renewed every third of its life, given up for lost as soon as it may have expired.

The holder counts from the moment it *asked* for the last successful renewal, on a clock that never jumps; the server or
the next candidate can only have begun to count later. So a holder stops before anybody else may start.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ursa.errors import Unavailable
from ursa.runtime.clock import Clock
from ursa.runtime.tasks import cancel_and_wait, spawn
from ursa.store.own_lease import OwnLease

log = logging.getLogger(__name__)

RELEASE = 2.0
"""Seconds spent on giving a lease back; it expires anyway, and nobody should end late for a store that is away.
It is no setting: who wants a lease to pass on sooner shortens its life."""


class RenewedLease(OwnLease):
    """See `Lease`."""

    def __init__(
        self,
        name: str,
        token: int,
        *,
        ttl: float,
        asked: float,
        clock: Clock,
        renew: Callable[[], Awaitable[bool]],
        free: Callable[[], Awaitable[None]],
    ) -> None:
        """A lease just taken.

        Args:
            name: what it is for.
            token: its fencing token.
            ttl: seconds it lives without renewal.
            asked: monotonic time at which it was asked for.
            clock: time.
            renew: prolongs it on the server; False when it is somebody else's, Unavailable when nobody knows.
            free: gives it back on the server.
        """
        super().__init__(name, token)
        self._ttl, self._clock = ttl, clock
        self._renew, self._free = renew, free
        self._until = asked + ttl
        self._renewing = spawn(self._keep(), f"lease {name}")

    @property
    def held(self) -> bool:
        return super().held and self._clock.monotonic() < self._until

    async def release(self) -> None:
        held = self.held
        await self.abandon()
        if held:
            try:
                async with asyncio.timeout(RELEASE):
                    await self._free()
            except (Unavailable, TimeoutError) as error:
                log.warning("lease not given back, it will expire", extra={"lease": self._name, "error": str(error)})

    async def abandon(self) -> None:
        """Stops renewing without telling the server."""
        self._gone.set()
        await cancel_and_wait(self._renewing)

    async def _keep(self) -> None:
        pause = self._ttl / 3
        while True:
            await self._clock.sleep(min(pause, max(0.0, self._until - self._clock.monotonic())))
            if not self.held:
                break
            try:
                async with asyncio.timeout(max(0.0, self._until - self._clock.monotonic())):
                    asked = self._clock.monotonic()
                    if not await self._renew():
                        break
            except (Unavailable, TimeoutError) as error:
                log.debug("lease not renewed", extra={"lease": self._name, "error": str(error)})
                pause = self._ttl / 10
            else:
                self._until, pause = asked + self._ttl, self._ttl / 3
        log.warning("lease lost", extra={"lease": self._name, "token": self._token})
        self._gone.set()
