"""Keeps the catalogue: followers tell the leader that they live, the leader writes down who did.

The list is written when it changes, and never while it does not.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress
from dataclasses import replace

from kds.replicas.catalogue import CONFIG, Replica, catalogue_config, read_catalogue
from kds.replicas.peers import Peers
from ursa.errors import AlreadyExists, Conflict, NotFound, Unavailable
from ursa.runtime.clock import Clock
from ursa.runtime.config import Settings
from ursa.store.contract import Create, Store, Update
from ursa.view.live import LiveView

log = logging.getLogger(__name__)

LONGEST = 60.0
"""Seconds between two pings of a leader that does not answer, at most."""

LOOPBACK = "127.0.0.1"
ANYWHERE = ("192.0.2.1", 9)
"""An address nobody has: looking for the way there shows the address that this machine would use."""


def own_replica(settings: Settings, instance: str) -> Replica:
    """This replica, at the configured address or at the one this machine is known by."""
    address = settings.inter_cp.catalog.instance_address or _first_address()
    return Replica(instance, address, settings.inter_cp.server.port)


class Membership:
    """This replica's part in the catalogue; `lead` runs while it leads, `follow` always."""

    def __init__(
        self, settings: Settings, own: Replica, store: Store, live: LiveView, peers: Peers, clock: Clock
    ) -> None:
        self._own, self._store, self._live, self._peers, self._clock = own, store, live, peers, clock
        self._heartbeat = settings.inter_cp.catalog.heartbeat_interval
        self._interval = settings.inter_cp.catalog.writer_interval
        self._pings: dict[str, Replica] = {}
        self._leads = False

    def pinged(self, replica: Replica, ready: bool) -> bool:
        """A follower lives, or is about to end; returns whether this replica leads."""
        if ready:
            self._pings[replica.id] = replica
        else:
            self._pings.pop(replica.id, None)
        return self._leads

    async def lead(self) -> None:
        """Writes the catalogue until cancelled, and at the end that nobody leads."""
        self._leads = True
        try:
            others = {one.id: replace(one, leader=False) for one in read_catalogue(self._live.current)}
            while True:
                self._pings = {}
                await self._write([*(one for id_, one in others.items() if id_ != self._own.id), self._leading()])
                await self._clock.sleep(self._interval)
                others = dict(self._pings)
        finally:
            self._leads = False
            with suppress(Unavailable):
                await self._write([replace(one, leader=False) for one in read_catalogue(self._live.current)])

    async def follow(self) -> None:
        """Pings the leader until cancelled, and once more then."""
        await self._live.ready.wait()
        failures = 0
        try:
            while True:
                leader = self._leader()
                if leader is not None:
                    try:
                        await self._peers.ping(leader, self._own, ready=True)
                        failures = 0
                    except Unavailable as error:
                        failures += 1
                        log.debug("leader does not answer", extra={"leader": leader.id, "error": str(error)})
                await self._clock.sleep(min(LONGEST, self._heartbeat * 2.0 ** min(failures, 8)))
        finally:
            leader = self._leader()
            if leader is not None:
                with suppress(Unavailable, TimeoutError):
                    async with asyncio.timeout(1):
                        await self._peers.ping(leader, self._own, ready=False)

    def _leading(self) -> Replica:
        return replace(self._own, leader=True)

    def _leader(self) -> Replica | None:
        """The leader, if that is another replica."""
        found = (one for one in read_catalogue(self._live.current) if one.leader and one.id != self._own.id)
        return next(found, None)

    async def _write(self, replicas: list[Replica]) -> None:
        wanted, config = catalogue_config(replicas), self._live.current.get("Config", "", CONFIG)
        if config is not None and config.spec == wanted.spec:
            return
        with suppress(AlreadyExists, Conflict, NotFound):
            # Another leader wrote it; then this one leads no longer.
            await self._store.write([Create(wanted) if config is None else Update(wanted, config.version)])


def _first_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(ANYWHERE)
        except OSError:
            return LOOPBACK
        address: str = probe.getsockname()[0]
        return address
