"""What a person sees: one calm picture in a terminal, lines everywhere else."""

from __future__ import annotations

import asyncio
import sys
import time

from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.live import Live
from rich.table import Table
from rich.text import Text

from deploy.demo.layout import PROXIES, Layout
from deploy.demo.story import Chapter, Story
from deploy.demo.traffic import ERROR, RATE, Traffic
from deploy.demo.watch import Watch, ZoneState

FRAME = 0.25
"""Seconds between two pictures."""

WIDEST = 110
NAMES, NUMBERS = 26, (12, 17)
"""Columns of a table: the first, and those with numbers; the rest of a line is for the one between them."""

BARS = " ▁▂▃▄▅▆▇█"
COLOURS = ("green", "cyan")
"""Of the zones, in their order."""


class Screen:
    """Draws the story, the traffic and the control planes; `look_around` is a command to try."""

    def __init__(self, layout: Layout, story: Story, traffic: Traffic, watch: Watch, look_around: str) -> None:
        self._layout, self._story, self._traffic, self._watch = layout, story, traffic, watch
        self._look_around, self._console = look_around, Console(stderr=True)
        self.over = False
        """Whether the story has been told."""
        self._colours = {zone.name: colour for zone, colour in zip(layout.zones, COLOURS, strict=True)}

    async def draw(self) -> None:
        """Draws the picture until cancelled. Here and in no other thread, because what it shows changes here."""
        with Live(console=self._console, get_renderable=self.picture, auto_refresh=False) as live:
            while True:
                live.refresh()
                await asyncio.sleep(FRAME)

    def picture(self) -> RenderableType:
        """The whole picture, at most 24 lines."""
        parts: list[RenderableType] = [self._title(), "", self._requests(), "", self._control_planes(), ""]
        whole = Group(*parts, self._chapters(), "", self._footer())
        return Constrain(whole, WIDEST)

    def _title(self) -> RenderableType:
        line = Table.grid(expand=True)
        line.add_column()
        line.add_column(justify="right")
        title = Text.assemble(("Ursa", "bold"), ("  one global, two zones, eight Envoys, mutual TLS", "dim"))
        minutes, seconds = divmod(int(time.monotonic() - self._story.started), 60)
        line.add_row(title, Text(f"{minutes}:{seconds:02}", style="dim"))
        return line

    def _requests(self) -> RenderableType:
        table = _table(f"{self._layout.zones[0].name}'s web calls backend", "", "per second", "total")
        room = min(self._console.width, WIDEST) - NAMES - sum(NUMBERS) - 2
        rates, history = self._traffic.rates(), self._traffic.history(max(room, 1))
        for zone, colour in self._colours.items():
            name = Text(f"answered in {zone}", style=colour if rates[zone] else "")
            bars = Text(_bars([second[zone] for second in history]), style=colour)
            table.add_row(name, bars, str(rates[zone]), f"{self._traffic.by_zone[zone]:,}")
        style = "bold red" if rates[ERROR] else ""
        bars = Text(_bars([second[ERROR] for second in history]), style="red")
        table.add_row(
            Text("failed", style=style), bars, Text(str(rates[ERROR]), style=style), f"{self._traffic.errors:,}"
        )
        return table

    def _control_planes(self) -> RenderableType:
        table = _table("control planes", "", "Envoys", "newest revision")
        watch = self._watch
        if watch.revision is not None:
            table.add_row("global", Text("running", style="green"), "", str(watch.revision))
        elif watch.newest:
            table.add_row("global", Text("down", style="bold red"), "", Text(str(watch.newest), style="dim"))
        else:
            table.add_row("global", _COMING, "", "")
        for zone, colour in self._colours.items():
            found = watch.zones.get(zone, ZoneState())
            table.add_row(Text(f"zone {zone}", style=colour), *zone_cells(found))
        return table

    def _chapters(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        for column in range(3):
            table.add_column(no_wrap=column < 2)
        for chapter in self._story.chapters:
            if chapter.over:
                table.add_row(Text("✓", style="green"), Text(chapter.title, style="dim"), Text(chapter.note))
            elif chapter.begun:
                table.add_row(Text("▶", style="bold yellow"), Text(chapter.title, style="bold"), Text(chapter.note))
            else:
                table.add_row(
                    Text("·", style="dim"), Text(chapter.title, style="dim"), Text(chapter.note, style="yellow")
                )
        return table

    def _footer(self) -> RenderableType:
        state = "That was it; traffic goes on until you press Ctrl-C." if self.over else "Ctrl-C ends everything."
        return Text(f"{state} Meanwhile, look around:\n{self._look_around}", style="dim")


def zone_cells(found: ZoneState) -> tuple[Text, str, Text]:
    """What is shown of a zone: one that was busy when it was asked is not one that has not begun."""
    if found.proxies is None and not found.connected and found.delivered is None:
        return _COMING, "", Text()
    proxies = "" if found.proxies is None else f"{found.proxies} of {len(PROXIES)}"
    delivered = Text(str(found.delivered or ""), style="dim" if found.connected is None else "")
    return _CONNECTION[found.connected], proxies, delivered


def lines(chapter: Chapter) -> None:
    """Prints a chapter's news as a line, for logs and pipes."""
    line = f"ok  {chapter.title}" if chapter.over else f"..  {chapter.title}: {chapter.note}"
    print(line, file=sys.stderr, flush=True)


_COMING = Text("not there yet", style="dim")
_CONNECTION = {
    True: Text("connected to the global", style="green"),
    False: Text("not connected to the global", style="yellow"),
    None: Text("goes on without the global", style="yellow"),
}


def _table(*headers: str) -> Table:
    table = Table(box=None, expand=True, padding=0, header_style="dim", show_edge=False)
    table.add_column(headers[0], width=NAMES)
    table.add_column(headers[1], ratio=1, no_wrap=True)
    for header, width in zip(headers[2:], NUMBERS, strict=True):
        table.add_column(header, justify="right", width=width)
    return table


def _bars(counts: list[int]) -> str:
    top = len(BARS) - 1
    return "".join(BARS[min(top, -(-count * top // RATE))] for count in counts)
