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


@pytest.mark.parametrize("status", ["Online", "Degraded", "Unknown", "Disabled", "Draining"])
def test_a_zone_is_shown_as_its_control_plane_says(status: str) -> None:
    assert states.zone({"name": "east", "status": status.lower(), "zoneInsight": OPEN}, 0)[1] == status


@pytest.mark.parametrize(("insight", "shown"), [(OPEN, "Online"), ({}, "Offline")])
def test_a_zone_of_which_nothing_is_said_is_connected_or_not(insight: dict[str, Any], shown: str) -> None:
    assert states.zone({"name": "east", "zoneInsight": insight}, 0)[1] == shown


@pytest.mark.parametrize(
    ("labels", "status", "zone"),
    [
        ({"kuma.io/origin": "global", "kuma.io/zone": "west"}, "Unknown", "west"),
        ({"kuma.io/origin": "zone", "kuma.io/zone": "east"}, "Offline", "east"),
        ({}, "Offline", "north"),
    ],
)
def test_an_ingress_without_insight(labels: dict[str, str], status: str, zone: str) -> None:
    row = states.zone_proxy({"name": "gate", "labels": labels, "zoneIngress": {"zone": "north"}}, 0)
    assert (row[states.ZONE_PROXY.index("STATUS")], row[states.ZONE_PROXY.index("ZONE")]) == (status, zone)
