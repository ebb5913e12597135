"""What the section `localityAwareness` means for a client (`spec` §3.10)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from ursa.ir.localities import Affinity, Failover, Localities
from ursa.model.json import JsonObject
from ursa.policies.core.place import Place

DEFAULT_OVERPROVISIONING = 200
LOWEST_PRIORITY = 127
"""Envoy knows none beyond 128, and what comes last is one step further."""

_MOST_ZEROS = 7
"""Of weights that are made: Envoy counts those of all localities together in 32 bits."""

_LEFT_OUT = {"Only": False, "AnyExcept": True, "Any": True}
"""Types of rules that lead somewhere, and whether they name the zones that are left out."""


def localities(conf: JsonObject, place: Place, *, by_egress: bool = False) -> Localities:
    """How a client at this place spreads its traffic; by an egress if that is where it leaves the zone."""
    awareness: JsonObject = conf.get("localityAwareness") or {}
    if awareness.get("disabled"):
        return Localities()
    local, cross = awareness.get("localZone"), awareness.get("crossZone")
    if local is None and cross is None:
        return Localities(place.zone)
    tags: Sequence[JsonObject] = (local or {}).get("affinityTags") or ()
    failover = tuple(_failover((cross or {}).get("failover") or (), place.zone))
    return Localities(
        place.zone,
        ordered=True,
        affinity=tuple(_affinity(tags, dict(place.tags))),
        failover=failover,
        weighted=bool(tags),
        overprovisioning=_overprovisioning((cross or {}).get("failoverThreshold")),
        merged=f"egress_{_digest(failover)}" if by_egress else "",
    )


def affinity_keys(conf: JsonObject) -> Iterator[str]:
    """The client's own tags that a conf asks for."""
    local: JsonObject = (conf.get("localityAwareness") or {}).get("localZone") or {}
    return (str(tag["key"]) for tag in local.get("affinityTags") or ())


def _affinity(tags: Sequence[JsonObject], own: dict[str, str]) -> Iterator[Affinity]:
    for position, tag in enumerate(tags):
        if tag["key"] in own:
            # Nine of ten requests go to the first, nine of ten of the others to the next, and so on.
            weight = int(tag.get("weight") or 9 * 10 ** min(len(tags) - position - 1, _MOST_ZEROS))
            yield Affinity(tag["key"], own[tag["key"]], weight)


def _failover(rules: Iterable[JsonObject], zone: str) -> Iterator[Failover]:
    """The steps for a zone; the place of a rule in the list is its priority, whether those before it count or not."""
    for priority, rule in enumerate(rules, 1):
        source, target = rule.get("from"), rule["to"]
        if target["type"] in _LEFT_OUT and (source is None or zone in source["zones"]):
            zones = frozenset(target.get("zones") or ())
            yield Failover(min(priority, LOWEST_PRIORITY), zones, _LEFT_OUT[target["type"]])


def _overprovisioning(threshold: JsonObject | None) -> int:
    """At which percentage of well instances the next priority helps out, as the factor that Envoy multiplies by."""
    if threshold is None:
        return DEFAULT_OVERPROVISIONING
    return max(1, int(10_000 / Decimal(str(threshold["percentage"]))))


def _digest(failover: Iterable[Failover]) -> str:
    text = ";".join(f"{step.priority}:{int(step.all_but)}:{','.join(sorted(step.zones))}" for step in failover)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
