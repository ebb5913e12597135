"""Which zones a global does not see: what their proxies last said of themselves is old, and no proof that they are."""

from __future__ import annotations

from ursa.admission.deletion import is_online
from ursa.admission.place import Place
from ursa.model.labels import IN_ZONE, ORIGIN, ZONE
from ursa.model.resource import Resource
from ursa.view.view import View


def unseen_zones(view: View, place: Place) -> frozenset[str]:
    """Zones that are not connected to any replica of this global. A zone knows nothing of others, so it misses none."""
    zones = view.list("Zone") if place.is_global else ()
    return frozenset(zone.name for zone in zones if not is_online(view.get("ZoneInsight", "", zone.name)))


def unseen_zone_of(resource: Resource, unseen: frozenset[str]) -> str:
    """The unseen zone from which a resource came, empty if its zone is seen or it is from here."""
    zone = resource.labels.get(ZONE, "") if resource.labels.get(ORIGIN) == IN_ZONE else ""
    return zone if zone in unseen else ""


def last_seen(view: View, zone: str) -> str | None:
    """When a zone was connected for the last time, None for never."""
    insight = view.get("ZoneInsight", "", zone)
    ends = [one.get("disconnectTime", "") for one in insight.spec.get("subscriptions", ())] if insight else []
    return max(ends, default="") or None
