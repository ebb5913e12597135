"""`make demo`: starts a whole mesh, shows what it does when things die, and leaves nothing behind."""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from deploy.demo.deployment import Deployment
from deploy.demo.layout import FIRST_PORT, OUTBOUND, OUTBOUND_PORT, Layout, layout
from deploy.demo.ports import check_free
from deploy.demo.processes import Processes
from deploy.demo.scenario import Report, Scenario
from deploy.demo.screen import Screen, lines
from deploy.demo.story import Chapter, Story
from deploy.demo.traffic import Traffic
from deploy.demo.watch import Watch
from ursa.errors import ConfigError, Unavailable, UrsaError
from ursa.runtime.tasks import cancel_and_wait, spawn

PAUSE_ONCE, PAUSE = 3, 8
"""Seconds to look at each state, unattended and attended."""

INTERRUPTED = 130


class Demo:
    """One run, from the first process to the last."""

    def __init__(self, places: Layout, folder: Path, *, once: bool) -> None:
        logs = folder / "logs"
        logs.mkdir()
        self._once = once
        self._live = sys.stdout.isatty() and sys.stderr.isatty()
        self._processes = Processes(logs)
        self._story = Story(_nothing if self._live else lines)
        (self._start,) = self._story.plan("Everything starts")
        self._deployment = Deployment(places, folder, self._processes, self._say)
        self._traffic = Traffic(f"http://{places.zones[0].address(OUTBOUND)}:{OUTBOUND_PORT}/")
        self._watch = Watch(places)
        self._scenario = Scenario(
            self._deployment, self._traffic, self._watch, self._story, PAUSE_ONCE if once else PAUSE
        )
        command = " ".join((*self._deployment.ursactl, "inspect", "zones")).removeprefix(f"{Path.cwd()}/")
        self._screen = Screen(places, self._story, self._traffic, self._watch, command)

    @property
    def report(self) -> Report:
        """The figures so far."""
        return self._scenario.report

    async def run(self) -> None:
        """Runs until the story is told or, when somebody watches, until it is cancelled.

        Raises:
            UrsaError: something failed.
        """
        loop = asyncio.get_running_loop()
        telling = spawn(self._tell(), "story")
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupt, telling)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up, telling)
        watching = spawn(self._watch.run(), "watch")
        failing = spawn(self._processes.first_end(), "processes")
        drawing = [spawn(self._screen.draw(), "screen")] if self._live else []
        try:
            done, _ = await asyncio.wait({telling, failing, *drawing}, return_when=asyncio.FIRST_COMPLETED)
            for screen in done.intersection(drawing):
                screen.result()
            if not telling.done():
                raise Unavailable(f"{failing.result()} has ended by itself\n{self._processes.tail(failing.result())}")
            telling.result()
        finally:
            # The last picture stands before anything else is printed.
            await cancel_and_wait(*drawing)
            print("ending all processes ...", file=sys.stderr, flush=True)
            await cancel_and_wait(telling, watching, failing)
            await self._processes.stop_all()

    async def _tell(self) -> None:
        with self._story.tell(self._start) as note:
            await self._deployment.start()
            note(f"{len(self._processes)} processes in {time.monotonic() - self._story.started:.0f} s")
        requests = spawn(self._traffic.run(), "traffic")
        try:
            await self._scenario.run()
            if not self._once:
                self._screen.over = True
                await asyncio.Event().wait()
        finally:
            await cancel_and_wait(requests)

    def _say(self, text: str) -> None:
        self._start.note = text
        self._story.changed(self._start)

    def _interrupt(self, telling: asyncio.Task[None]) -> None:
        """Ends the story the first time; the second time, ends everything at once."""
        if not telling.cancel():
            self._processes.kill_all()

    def _hang_up(self, telling: asyncio.Task[None]) -> None:
        """Ends the story of which nobody sees the end: the terminal is gone, and printing to it would fail."""
        sys.stdout = sys.stderr = io.StringIO()
        self._interrupt(telling)


def _nothing(_: Chapter) -> None:
    """The picture draws itself."""


def main() -> int:
    """Runs the demo and returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m deploy.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="tell the story once, then print one line of JSON")
    parser.add_argument("--ports-from", type=int, default=FIRST_PORT, help="first of 300 ports, in steps of 300")
    arguments = parser.parse_args()
    places = layout(arguments.ports_from)
    try:
        check_free(places)
    except ConfigError as error:
        print(f"demo failed: {error}", file=sys.stderr)
        return 2
    folder = Path(tempfile.mkdtemp(prefix="ursa-demo-"))
    demo = Demo(places, folder, once=arguments.once)
    status = _outcome(demo, folder)
    if arguments.once:
        print(demo.report.line(), flush=True)
        return status
    return 0 if status == INTERRUPTED else status


def _outcome(demo: Demo, folder: Path) -> int:
    """Exit status of a run; its logs stay when it failed."""
    try:
        asyncio.run(demo.run())
        status = 0
    except asyncio.CancelledError:
        status = INTERRUPTED
    except UrsaError as error:
        print(f"demo failed: {error}\nlogs of all processes: {folder / 'logs'}", file=sys.stderr)
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return status


if __name__ == "__main__":
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    sys.exit(main())
