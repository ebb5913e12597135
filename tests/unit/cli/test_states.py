"""Rows of `inspect`: what is not seen is not called online."""

from __future__ import annotations

from typing import Any

import pytest

from ursa.cli import states

OPEN = {"subscriptions": [{"connectTime": "2026-01-01T00:00:00Z"}]}


def proxy(**more: Any) -> dict[str, Any]:
    return {"mesh": "default", "name": "web", "dataplane": {"networking": {}}, "dataplaneInsight": OPEN, **more}


@pytest.mark.parametrize(
    ("more", "status", "note"),
    [
        ({}, "Online", ""),
        (
            {"status": "unknown", "lastSeen": "2026-01-02T00:00:00Z"},
            "Unknown",
            "zone not seen since 2026-01-02T00:00:00Z",
        ),
        ({"status": "unknown", "lastSeen": None}, "Unknown", "zone never seen"),
    ],
)
def test_a_proxy_of_an_unseen_zone(more: dict[str, Any], status: str, note: str) -> None:
    row = states.dataplane(proxy(**more), 0)
    assert (row[states.DATAPLANE.index("STATUS")], row[-1]) == (status, note)
    assert states.zone_proxy({"name": "gate", "zoneIngressInsight": OPEN, **more}, 0)[1] == status


@pytest.mark.parametrize(("status", "shown"), [("online", "Online"), ("draining", "Draining")])
def test_a_drained_zone(status: str, shown: str) -> None:
    assert states.zone({"name": "east", "status": status, "zoneInsight": OPEN}, 0)[1] == shown
