"""Tells waiting readers that it is worth looking at the tables again."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from ursa.errors import Unavailable
from ursa.runtime.clock import Clock
from ursa.runtime.config.store import StorePostgres
from ursa.runtime.tasks import cancel_and_wait, spawn
from ursa.store.postgres_pool import Pool, unavailable
from ursa.store.postgres_tables import CHANNEL

log = logging.getLogger(__name__)


class Waiting:
    """A reader's place in line, taken before it looks so that nothing slips through between look and wait."""

    def __init__(self, event: asyncio.Event, news: News) -> None:
        self._event, self._news = event, news

    async def wait(self, seconds: float | None = None) -> None:
        """Returns on news, after `seconds`, or when looking is all one can do."""
        limit = seconds if self._news.arrive else min(self._news.pause, seconds or self._news.pause)
        try:
            async with asyncio.timeout(limit):
                await self._event.wait()
        except TimeoutError:
            return


class News:
    """Keeps one connection that listens; when it is lost, everybody looks, because something may have been missed."""

    def __init__(self, pool: Pool, clock: Clock, settings: StorePostgres) -> None:
        self._pool, self._clock, self._health_check = pool, clock, settings.health_check_interval
        self._patience = settings.notification_timeout
        self.pause = settings.poll_interval
        """Seconds between looks where notifications do not arrive."""
        self._event = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.arrive = False
        """Whether notifications are known to arrive."""

    def start(self) -> None:
        """Begins to listen."""
        self._task = spawn(self._listen_on(), "postgres notifications")

    async def close(self) -> None:
        """Stops listening and wakes everybody."""
        if self._task is not None:
            await cancel_and_wait(self._task)
        self.tell()

    def next(self) -> Waiting:
        """A place in line for what happens from now on."""
        return Waiting(self._event, self)

    def tell(self) -> None:
        """Wakes all who wait."""
        self._event.set()
        self._event = asyncio.Event()

    async def _listen_on(self) -> None:
        while True:
            try:
                await self._listen()
            except Unavailable as error:
                log.info("not listening for changes", extra={"error": str(error)})
            self.arrive = False
            self.tell()
            await self._clock.sleep(self._clock.uniform(0.5, 1.5))

    async def _listen(self) -> None:
        """Listens until the connection is lost."""
        connection = await self._pool.connect()
        try:
            async with unavailable():
                heard, ended = asyncio.Event(), asyncio.Event()
                connection.add_termination_listener(lambda _: ended.set())

                def hear(*_: Any) -> None:
                    heard.set()
                    self.tell()

                await connection.add_listener(CHANNEL, hear)
                self.arrive = await self._probe(heard)
                self.tell()
                while not await self._ends(ended):
                    await connection.execute("SELECT 1")
        finally:
            connection.terminate()

    async def _ends(self, ended: asyncio.Event) -> bool:
        """Whether the connection that listens is ended before the next look at its health is due."""
        try:
            async with asyncio.timeout(self._health_check):
                await ended.wait()
        except TimeoutError:
            return False
        log.info("the connection that listens for changes was ended, making another one")
        return True

    async def _probe(self, heard: asyncio.Event) -> bool:
        async with self._pool.transaction() as connection:
            await connection.execute(f"SELECT pg_notify('{CHANNEL}', '')")
        try:
            async with asyncio.timeout(self._patience):
                await heard.wait()
        except TimeoutError:
            log.warning(
                "notifications of PostgreSQL do not arrive, is there a pooler in transaction mode? "
                "the change table is read regularly instead",
                extra={"seconds": self.pause},
            )
            return False
        return True
