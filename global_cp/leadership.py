"""What only one replica of a global does at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from global_cp.presence import Presence
from kds.streams import race
from ursa.admission.startup import ensure_defaults
from ursa.errors import Unavailable
from ursa.runtime.clock import Clock
from ursa.runtime.config import Settings
from ursa.store.contract import Lease
from ursa.store.led import LedStore

log = logging.getLogger(__name__)

LEASE = "global/leader"


class Leadership:
    """A supervised component: waits for the lease, then works until it is lost."""

    def __init__(
        self,
        settings: Settings,
        store: LedStore,
        clock: Clock,
        presence: Presence,
        instance: str,
        duties: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
    ) -> None:
        """Args: `duties` run for as long as this replica leads, beside those of the presence."""
        self._settings, self._store, self._clock = settings, store, clock
        self._presence, self._instance, self._duties = presence, instance, duties

    async def run(self) -> None:
        """Leads until cancelled; raises Unavailable when the lease is lost, to be started again."""
        async with self._presence.held() as alive:
            await race(self._lead(), _until_lost(alive))

    async def _lead(self) -> None:
        lease = await self._store.acquire(LEASE, self._instance, self._settings.inter_cp.lease.leader)
        log.info("this replica leads", extra={"instance": self._instance, "token": lease.token})
        self._store.lease = lease
        try:
            await ensure_defaults(self._store, self._settings, self._clock)
            duties = [duty() for duty in self._duties]
            await race(self._presence.watch_others(), *duties, _until_lost(lease))
        finally:
            self._store.lease = None
            await lease.release()


async def _until_lost(lease: Lease) -> None:
    await lease.lost()
    raise Unavailable(f"the lease {lease.name} is lost")
