"""What only one replica of a zone control plane does at a time: defaults, virtual addresses, offers, the way to the
global."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from ursa.admission.startup import ensure_defaults
from ursa.errors import Unavailable
from ursa.runtime.clock import Clock
from ursa.runtime.config import Settings
from ursa.runtime.tasks import Supervisor
from ursa.store.led import LedStore

log = logging.getLogger(__name__)

LEASE = "zone/leader"


class Leadership:
    """A supervised component: waits for the lease, then keeps the singletons running until it is lost."""

    def __init__(
        self,
        settings: Settings,
        store: LedStore,
        clock: Clock,
        supervisor: Supervisor,
        instance: str,
        singletons: Mapping[str, Callable[[], Awaitable[None]]],
    ) -> None:
        self._settings, self._store, self._clock = settings, store, clock
        self._supervisor, self._instance, self._singletons = supervisor, instance, singletons

    async def run(self) -> None:
        """Leads until cancelled; raises Unavailable when the lease is lost, to be started again."""
        lease = await self._store.acquire(LEASE, self._instance, self._settings.inter_cp.lease.leader)
        log.info("this replica leads", extra={"instance": self._instance, "token": lease.token})
        self._store.lease = lease
        try:
            await ensure_defaults(self._store, self._settings, self._clock)
            for name, run in self._singletons.items():
                self._supervisor.start(name, run)
            await lease.lost()
            raise Unavailable("the lease of the leader is lost")
        finally:
            for name in reversed(list(self._singletons)):
                await self._supervisor.stop(name)
            self._store.lease = None
            await lease.release()
