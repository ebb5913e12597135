"""What the demo's screen says of a zone is what was seen of it."""

from __future__ import annotations

import pytest

from deploy.demo.screen import zone_cells
from deploy.demo.watch import ZoneState


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
