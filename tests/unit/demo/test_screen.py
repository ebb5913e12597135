"""What the demo's screen says of a zone is what was seen of it."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

import pytest
from rich.console import RenderableType

from deploy.demo.layout import layout
from deploy.demo.screen import Screen, zone_cells
from deploy.demo.story import Story
from deploy.demo.traffic import Traffic
from deploy.demo.watch import Watch, ZoneState


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (ZoneState(), ("not there yet", "", "")),
        (ZoneState(None, connected=False), ("not there yet", "", "")),
        (ZoneState(0, connected=False), ("not connected to the global", "0 of 4", "")),
        (ZoneState(4, connected=True, delivered=23), ("connected to the global", "4 of 4", "23")),
        (ZoneState(None, connected=True, delivered=23), ("connected to the global", "", "23")),
        (ZoneState(4, connected=None, delivered=23), ("goes on without the global", "4 of 4", "23")),
        (ZoneState(None, connected=None, delivered=23), ("goes on without the global", "", "23")),
    ],
)
def test_a_zone_is_shown_as_it_was_seen(state: ZoneState, shown: tuple[str, str, str]) -> None:
    text, proxies, delivered = zone_cells(state)
    assert (text.plain, proxies, delivered.plain) == shown


async def test_the_picture_is_drawn_where_what_it_shows_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.demo.screen.FRAME", 0.001)
    places = layout()
    screen = Screen(places, Story(lambda _: None), Traffic("http://nowhere"), Watch(places), "look around")
    drawn: list[int] = []
    enough = asyncio.Event()
    picture = screen.picture

    def seen() -> RenderableType:
        drawn.append(threading.get_ident())
        if len(drawn) == 20:
            enough.set()
        return picture()

    monkeypatch.setattr(screen, "picture", seen)
    drawing = asyncio.ensure_future(screen.draw())
    async with asyncio.timeout(30):
        await enough.wait()
    drawing.cancel()
    with suppress(asyncio.CancelledError):
        await drawing
    assert set(drawn) == {threading.get_ident()}
