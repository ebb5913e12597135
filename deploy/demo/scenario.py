"""What the demo shows and measures: a fail-over and the way back, then a global that dies and returns."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass

import orjson

from deploy.demo.configuration import configurations, differences
from deploy.demo.deployment import GLOBAL, Deployment
from deploy.demo.layout import Layout
from deploy.demo.story import Story
from deploy.demo.traffic import RATE, Traffic
from deploy.demo.watch import Watch
from ursa.errors import UrsaError

PATIENCE = 30.0
"""Seconds that traffic may take to move before the demo has failed."""

OUTAGE = 6
"""Seconds without a global, beyond one pause."""


class Failed(UrsaError):
    """The mesh did something else than what the demo promises."""


@dataclass(slots=True)
class Report:
    """The figures of one run; None is what was not measured because something failed before.

    Attributes:
        shift_s: seconds from the death of east's backends until west answered everything.
        return_s: seconds from their start until east answered everything again.
        global_outage_errors: failed requests between the death of the global and the end of its return.
        reconnect_config_changes: parts of proxies' configurations that came, went, changed or were sent anew.
    """

    requests: int = 0
    errors: int = 0
    shift_s: float | None = None
    return_s: float | None = None
    global_outage_errors: int | None = None
    reconnect_config_changes: int | None = None

    def line(self) -> str:
        """One line of JSON."""
        return orjson.dumps(asdict(self)).decode()


class Scenario:
    """Runs all chapters once; `report` fills up on the way."""

    def __init__(self, deployment: Deployment, traffic: Traffic, watch: Watch, story: Story, pause: int) -> None:
        """Args: pause: seconds to look at each state."""
        self._deployment, self._traffic, self._watch = deployment, traffic, watch
        self._story, self._pause = story, pause
        self._here, self._there = deployment.layout.zones
        self.report = Report()
        here = self._here.name.capitalize()
        self._chapters = iter(
            story.plan(
                "Traffic stays in its zone",
                f"{here}'s backends die",
                f"{here}'s backends return",
                "The global is killed",
                "The global returns",
            )
        )

    async def run(self) -> None:
        """Tells the story.

        Raises:
            Failed: traffic or configuration did not do what they should.
        """
        try:
            await self._steady()
            await self._fail_over()
            await self._return()
            await self._global_dies()
        finally:
            self.report.requests, self.report.errors = self._traffic.requests, self._traffic.errors

    async def _steady(self) -> None:
        with self._story.tell(next(self._chapters)) as note:
            note("the first requests are on their way")
            await self._settled(self._here.name)
            note(f"{RATE} requests per second, all answered in {self._here.name}")
            await asyncio.sleep(self._pause)

    async def _fail_over(self) -> None:
        chapter = next(self._chapters)
        await self._story.announce(chapter, self._pause)
        with self._story.tell(chapter) as note:
            errors, died = self._traffic.errors, time.monotonic()
            await self._deployment.kill_workload("backend", self._here)
            note(f"killed; waiting until {self._there.name} answers")
            self.report.shift_s = round(await self._settled(self._there.name) - died, 2)
            await asyncio.sleep(self._pause)
            failed = self._traffic.errors - errors
            note(f"moved to {self._there.name} in {self.report.shift_s:.2f} s, {_count(failed, 'failed request')}")

    async def _return(self) -> None:
        chapter = next(self._chapters)
        await self._story.announce(chapter, self._pause)
        with self._story.tell(chapter) as note:
            errors, started = self._traffic.errors, time.monotonic()
            await self._deployment.start_workload("backend", self._here)
            note("started; waiting until traffic comes home")
            self.report.return_s = round(await self._settled(self._here.name) - started, 2)
            away = self._traffic.by_zone[self._there.name]
            await asyncio.sleep(self._pause)
            if strayed := self._traffic.by_zone[self._there.name] - away:
                raise Failed(f"traffic came home, and then {_count(strayed, 'request')} went to {self._there.name}")
            failed = self._traffic.errors - errors
            note(f"came home in {self.report.return_s:.2f} s, {_count(failed, 'failed request')}")

    async def _global_dies(self) -> None:
        chapter, returns = next(self._chapters), next(self._chapters)
        await self._story.announce(chapter, self._pause)
        admin_ports = _admin_ports(self._deployment.layout)
        with self._story.tell(chapter) as note:
            errors, before = self._traffic.errors, await configurations(admin_ports)
            await self._deployment.kill_global()
            await asyncio.sleep(OUTAGE)
            await self._settled(self._here.name)
            note(f"zones go on by themselves: {_count(self._traffic.errors - errors, 'failed request')}")
        await self._story.announce(returns, self._pause)
        with self._story.tell(returns) as note:
            note("starting; waiting until both zones are connected")
            await self._deployment.start_global()
            await self._deployment.until(GLOBAL, "both zones are connected and have everything", self._reconnected)
            await asyncio.sleep(self._pause)
            await self._settled(self._here.name)
            self.report.global_outage_errors = self._traffic.errors - errors
            changes = differences(before, await configurations(admin_ports))
            self.report.reconnect_config_changes = len(changes)
            if changes:
                raise Failed(
                    "\n  ".join([f"the reconnect changed {_count(len(changes), 'part')} of proxies:", *changes])
                )
            failed = self.report.global_outage_errors
            note(f"nothing changed in {len(before)} Envoys, {_count(failed, 'failed request')}")

    async def _settled(self, zone: str) -> float:
        try:
            return await self._traffic.settled(zone, PATIENCE)
        except TimeoutError as error:
            reasons = "".join(f"\n  {count}x {reason}" for reason, count in self._traffic.reasons.most_common(5))
            raise Failed(f"{error}{reasons}\n{self._deployment.processes.tail(self._here.name)}") from None

    async def _reconnected(self) -> bool:
        await self._watch.look()
        return self._watch.settled


def _admin_ports(layout: Layout) -> dict[str, int]:
    return {name: zone.admin_port(host) for zone in layout.zones for name, host in zone.proxies.items()}


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
