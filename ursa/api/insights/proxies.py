"""How a proxy is doing, from its Dataplane and its insight."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable

from ursa.admission.deletion import is_online
from ursa.api.insights.sight import unseen_zone_of
from ursa.model.json import JsonObject
from ursa.model.resource import Resource


class ProxyStatus(enum.Enum):
    """What clients show for a proxy; values are the counters' names."""

    ONLINE = "online"
    OFFLINE = "offline"
    DEGRADED = "partiallyDegraded"
    UNKNOWN = "unknown"
    """Its zone is not seen."""


class ProxySort(enum.Enum):
    """What a proxy is; values are the counters' names."""

    STANDARD = "standard"
    BUILTIN = "gatewayBuiltin"
    DELEGATED = "gatewayDelegated"


def status_of(dataplane: Resource, insight: Resource | None, unseen: frozenset[str]) -> ProxyStatus:
    """How a proxy is.

    Offline when not connected or nothing is ready, degraded when some inbounds are not ready; of one in a zone that is
    not seen nobody knows whether it still is what it was.
    """
    if unseen_zone_of(dataplane, unseen):
        return ProxyStatus.UNKNOWN
    if not is_online(insight):
        return ProxyStatus.OFFLINE
    networking = dataplane.spec.get("networking", {})
    inbounds = [i for i in networking.get("inbound", ()) if i.get("state") != "Ignored"]
    if "gateway" in networking or not inbounds:
        return ProxyStatus.ONLINE
    ready = sum(1 for inbound in inbounds if _ready(inbound))
    if ready == len(inbounds):
        return ProxyStatus.ONLINE
    return ProxyStatus.DEGRADED if ready else ProxyStatus.OFFLINE


def sort_of(dataplane: Resource) -> ProxySort:
    """Sidecar or which sort of gateway."""
    gateway = dataplane.spec.get("networking", {}).get("gateway")
    if gateway is None:
        return ProxySort.STANDARD
    return ProxySort.BUILTIN if gateway.get("type") == "BUILTIN" else ProxySort.DELEGATED


def versions_of(insight: Resource | None) -> tuple[str, str]:
    """Versions of launcher and Envoy that the newest connection told."""
    subscriptions = insight.spec.get("subscriptions", []) if insight is not None else []
    version = subscriptions[-1].get("version", {}) if subscriptions else {}
    return (
        version.get("kumaDp", {}).get("version") or "unknown",
        version.get("envoy", {}).get("version") or "unknown",
    )


def counters(statuses: Iterable[ProxyStatus]) -> dict[str, int]:
    """`{total, online, …}` without zeros, as flat specs have them."""
    counted = Counter(status.value for status in statuses)
    total = sum(counted.values())
    return {"total": total, **{s.value: counted[s.value] for s in ProxyStatus if counted[s.value]}} if total else {}


def _ready(inbound: JsonObject) -> bool:
    if inbound.get("state") == "NotReady":
        return False
    return "health" not in inbound or bool(inbound["health"].get("ready"))
