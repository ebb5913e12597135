"""Endpoints in the order of their localities, as a policy wants it for a client (`spec/policies-targetref.md` §3.10).

Two things a policy cannot do: bring back a zone that has lapsed before all others are gone, and lose endpoints of which
nobody knows where they are. Both come last.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ursa.ir.cluster import Endpoint
from ursa.ir.localities import Localities

OTHER_ZONES = 1
"""Priority of instances elsewhere where nothing else is said of them."""


def arranged(endpoints: Iterable[Endpoint], localities: Localities) -> tuple[Endpoint, ...]:
    """The endpoints a client may use, with their priorities and weights."""
    if localities.ordered:
        placed = (_ordered(endpoint, localities) for endpoint in endpoints)
        return tuple(endpoint for endpoint in placed if endpoint is not None)
    return tuple(replace(endpoint, priority=_default(endpoint, localities.zone)) for endpoint in endpoints)


def _default(endpoint: Endpoint, zone: str) -> int:
    """Zones are alike if the client's does not count; otherwise what is elsewhere comes after what is here."""
    elsewhere = bool(zone) and endpoint.zone not in (None, zone)
    return int(elsewhere) * OTHER_ZONES + int(endpoint.lapsed)


def _ordered(endpoint: Endpoint, localities: Localities) -> Endpoint | None:
    last = max((step.priority for step in localities.failover), default=0) + 1
    if endpoint.zone == localities.zone:
        return _here(endpoint, localities)
    if endpoint.zone is None:
        return replace(endpoint, priority=last, locality_weight=1)
    step = next((step for step in localities.failover if step.covers(endpoint.zone or "")), None)
    if step is None:
        return None
    if localities.merged:
        priority = OTHER_ZONES + int(endpoint.lapsed)
        return replace(endpoint, zone=localities.merged, priority=priority, locality_weight=1)
    return replace(endpoint, priority=last if endpoint.lapsed else step.priority, locality_weight=1)


def _here(endpoint: Endpoint, localities: Localities) -> Endpoint:
    for affinity in localities.affinity:
        if endpoint.tags.get(affinity.key) == affinity.value:
            sub_zone = f"{affinity.key}={affinity.value}"
            return replace(endpoint, priority=0, sub_zone=sub_zone, locality_weight=affinity.weight)
    return replace(endpoint, priority=0, locality_weight=1)
