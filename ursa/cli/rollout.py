"""Waits until what was written has arrived in zones and at their proxies, and says how that went."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ursa.cli.client import path_of
from ursa.cli.failures import CommandFailed, ServerRefused
from ursa.cli.session import Session
from ursa.model.duration import format_go
from ursa.model.timestamps import SECOND, parse_timestamp

STORED = ("stored", "complete")
SOON = 0.1
"""Seconds that are not worth another question."""
_REASONS = MappingProxyType(
    {"unknown": "it is not connected, or has not reported yet; `ursactl inspect zone-sync` says which"}
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """What to wait for.

    Attributes:
        stage: `stored` or `complete`.
        timeout: for how long, in nanoseconds.
        zones: in which zones; empty for all.
    """

    stage: str
    timeout: int
    zones: tuple[str, ...] = ()


class NotArrived(CommandFailed):
    """What was written has not arrived in time; it goes on without us."""


def wait_for(session: Session, revision: str, arrival: Arrival) -> str:
    """How a revision arrived, in a few words.

    Raises:
        NotArrived: not in time, and the zones that lag are named, with reasons; or the control plane does not tell.
    """
    zones = arrival.zones
    began = time.monotonic()
    end = began + arrival.timeout / SECOND
    while True:
        document = _asked(session, revision, arrival, end - time.monotonic())
        shown = [zone for zone in document["zones"] if not zones or zone["name"] in zones]
        wanted = STORED if arrival.stage == "stored" else ("complete",)
        late = [zone for zone in shown if zone["state"] not in wanted]
        missing = sorted(set(zones) - {zone["name"] for zone in shown})
        if not late and not missing:
            return _arrived(document, shown, time.monotonic() - began)
        if time.monotonic() >= end - SOON:
            break
    notes = [_lagging(zone) for zone in late] + [f"zone {name}: not known" for name in missing]
    arrived = f"in {len(shown) - len(late)} of {len(shown) + len(missing)} zones"
    text = f"revision {revision} has arrived {arrived} after {format_go(arrival.timeout)}; it is stored"
    raise NotArrived(text, notes)


def _asked(session: Session, revision: str, arrival: Arrival, left: float) -> Mapping[str, Any]:
    """The state of a rollout when it has arrived, or the time is up, or half of that which one call may take."""
    patience = left if session.timeout is None else min(left, session.timeout / 2)
    parameters = {
        "wait": arrival.stage,
        "timeout": format_go(round(max(patience, 0) * SECOND)),
        "zones": ",".join(arrival.zones),
    }
    try:
        document: Mapping[str, Any] = session.client.get(path_of("rollouts", revision), parameters).document
    except ServerRefused as error:
        if not error.no_such_call:
            raise
        raise NotArrived("only globals, those of Ursa, tell when a change has arrived; it is stored") from None
    return document


def _arrived(document: Mapping[str, Any], zones: Sequence[Mapping[str, Any]], waited: float) -> str:
    committed = parse_timestamp(document["committedAt"])
    stored = [parse_timestamp(zone["storedAt"]) for zone in zones if zone["storedAt"]]
    took = max(0, max(stored, default=committed) - committed) / SECOND
    text = f"zones {len(zones)}/{len(zones)} stored in {took:.2f}s"
    counts = [zone["proxies"] for zone in zones]
    if any(one["affected"] is None for one in counts):
        return f"{text}, proxies unknown in {sum(one['affected'] is None for one in counts)} zone(s)"
    affected, done = (sum(one[name] for one in counts) for name in ("affected", "acknowledged"))
    return f"{text}, proxies {done}/{affected} in {max(took, waited):.2f}s"


def _lagging(zone: Mapping[str, Any]) -> str:
    proxies = zone["proxies"]
    told = f", proxies {proxies['acknowledged']}/{proxies['affected']}" if proxies["affected"] is not None else ""
    reasons = "; ".join(zone["reasons"]) or _REASONS.get(zone["state"], "")
    return f"zone {zone['name']}: {zone['state']}{told}{': ' + reasons if reasons else ''}"
