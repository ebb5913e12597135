"""A control plane as a process: its name among replicas, and how long it runs."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from ursa.runtime.clock import Clock
from ursa.runtime.tasks import cancel_and_wait, spawn

log = logging.getLogger(__name__)

COLLECTIONS = (10_000, 20, 20)
"""Thresholds of the garbage collector. Nearly all memory is freed by counting references; what is kept, is kept as long
as proxies are connected, and looking through all of it again and again makes every session wait."""


def new_instance_id(clock: Clock) -> str:
    """Name of this process among its replicas, new with every start: `<host name>-<4 hex digits>`."""
    return f"{socket.gethostname()}-{clock.new_id()[:4]}"


def run_until_signal(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a control plane until it ends by itself or gets SIGTERM or SIGINT, and lets it clean up.

    Raises:
        Exception: whatever `main` raised.
    """
    asyncio.run(_run(main))


async def _run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    _settle_memory()
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()

    def ask(number: signal.Signals) -> None:
        if not asked.is_set():
            log.info("stopping", extra={"signal": number.name})
        asked.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask, number)
    running = spawn(main(), "control plane")
    stopper = spawn(asked.wait(), "signals")
    await asyncio.wait((running, stopper), return_when=asyncio.FIRST_COMPLETED)
    await cancel_and_wait(stopper)
    if running.done():
        running.result()
    else:
        await cancel_and_wait(running)
        log.info("stopped")


def _settle_memory() -> None:
    """Takes what has been loaded so far, modules above all, out of the garbage collector's sight."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTIONS)
