"""The only place that spawns tasks: each has a name, a restart policy and a health state that status views can show.

A `Supervisor` owns long-running tasks. A task that fails is restarted with exponential, jittered back-off (Kuma's
`general.resilientComponent*` settings); one that ends by itself stays ended. Cancelling the supervisor cancels them all
and waits for their clean-up.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from ursa.errors import ConfigError
from ursa.runtime.clock import Clock

log = logging.getLogger(__name__)

T = TypeVar("T")


class Restart(enum.Enum):
    """What happens when a task raises."""

    ALWAYS = "always"
    """Start it again after a back-off."""
    NEVER = "never"
    """Stop the whole supervisor with the task's error: the process cannot live without it."""


class Health(enum.Enum):
    """Where a task stands."""

    RUNNING = "running"
    BACKING_OFF = "backing off"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off: `base * 2**n` seconds up to `cap`, plus or minus `jitter` of itself."""

    base: float = 5.0
    cap: float = 60.0
    jitter: float = 0.3

    def delay(self, attempt: int, clock: Clock) -> float:
        """Seconds to wait before attempt number `attempt` (0 = first retry)."""
        plain = min(self.cap, self.base * 2.0 ** min(attempt, 32))
        return plain * clock.uniform(1 - self.jitter, 1 + self.jitter)


@dataclass(slots=True)
class TaskStatus:
    """What is known about one task."""

    name: str
    health: Health = Health.RUNNING
    restarts: int = 0
    last_error: str = ""


class Supervisor:
    """Runs named tasks until it is cancelled or one that must not fail fails."""

    def __init__(self, clock: Clock, backoff: Backoff | None = None) -> None:
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._status: dict[str, TaskStatus] = {}
        self._fatal: asyncio.Future[None] | None = None

    @property
    def status(self) -> list[TaskStatus]:
        """State of every task that was started and not forgotten, in order of start."""
        return list(self._status.values())

    def start(
        self, name: str, run: Callable[[], Awaitable[None]], *, restart: Restart = Restart.ALWAYS
    ) -> asyncio.Task[None]:
        """Starts `run()` under `name`; the name must not be in use."""
        if name in self._tasks:
            raise ValueError(f"a task named {name!r} is already running")
        status = TaskStatus(name)
        self._status[name] = status
        task = asyncio.get_running_loop().create_task(self._keep(run, status, restart), name=name)
        self._tasks[name] = task
        task.add_done_callback(lambda _: self._tasks.pop(name, None))
        return task

    async def stop(self, name: str) -> None:
        """Cancels one task, waits for it and forgets its status."""
        task = self._tasks.get(name)
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._status.pop(name, None)

    async def run_until_failure(self) -> None:
        """Waits until a task with `Restart.NEVER` fails and raises its error; cancel it to stop waiting."""
        self._fatal = asyncio.get_running_loop().create_future()
        await self._fatal

    async def close(self) -> None:
        """Cancels all tasks, newest first, and waits for each."""
        for task in reversed(list(self._tasks.values())):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _keep(self, run: Callable[[], Awaitable[None]], status: TaskStatus, restart: Restart) -> None:
        attempt = 0
        while True:
            status.health = Health.RUNNING
            started = self._clock.monotonic()
            try:
                await run()
            except asyncio.CancelledError:
                status.health = Health.ENDED
                raise
            except Exception as error:
                status.last_error = f"{type(error).__name__}: {error}"
                if restart is Restart.NEVER:
                    self._fail(status, error)
                    return
                if self._clock.monotonic() - started > self._backoff.cap:
                    attempt = 0
                delay = self._backoff.delay(attempt, self._clock)
                status.health, status.restarts = Health.BACKING_OFF, status.restarts + 1
                log.warning(
                    "task failed and will be restarted",
                    extra={"task": status.name, "error": status.last_error, "delay_s": round(delay, 2)},
                    exc_info=log.isEnabledFor(logging.DEBUG),
                )
                attempt += 1
                await self._clock.sleep(delay)
            else:
                status.health = Health.ENDED
                return

    def _fail(self, status: TaskStatus, error: Exception) -> None:
        status.health = Health.FAILED
        level = logging.ERROR
        log.log(
            level,
            "task failed for good",
            extra={"task": status.name, "error": status.last_error},
            exc_info=not isinstance(error, ConfigError),
        )
        if self._fatal is not None and not self._fatal.done():
            self._fatal.set_exception(error)


def spawn(coroutine: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
    """Starts a short-lived task owned by the caller, who must await or cancel it (per-stream readers and writers)."""
    return asyncio.get_running_loop().create_task(coroutine, name=name)


async def cancel_and_wait(*tasks: asyncio.Task[Any]) -> None:
    """Cancels tasks and waits until each has ended, whatever it ended with."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
