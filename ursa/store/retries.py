"""How often and how fast a read, change and write is tried again when somebody else wrote in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from ursa.runtime.clock import Clock
from ursa.runtime.config.store import StoreUpsert
from ursa.runtime.tasks import Backoff


@dataclass(frozen=True, slots=True)
class Retries:
    """The settings `store.upsert.*`.

    Attributes:
        times: attempts after the first one.
        base: seconds before the second attempt; twice as many before every further one.
        jitter: part of that by which it may be longer or shorter.
    """

    times: int = 10
    base: float = 0.2
    jitter: float = 0.3

    async def attempts(self, clock: Clock) -> AsyncIterator[int]:
        """Numbers attempts and waits between them; ends when there must be no further one."""
        backoff = Backoff(self.base, float("inf"), self.jitter)
        yield 0
        for number in range(self.times):
            await clock.sleep(backoff.delay(number, clock))
            yield number + 1


def retries_of(settings: StoreUpsert) -> Retries:
    """The retries that settings describe."""
    return Retries(
        settings.conflict_retry_max_times,
        settings.conflict_retry_base_backoff,
        settings.conflict_retry_jitter_percent / 100,
    )
