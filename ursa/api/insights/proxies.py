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


class Connection(enum.Enum):
    """Whether a proxy is there, whatever it says of itself."""

    ONLINE = "online"
    OFFLINE = "offline"
    UNKNOWN = "unknown"
    """Its zone is not seen."""


class Health(enum.Enum):
    """What a proxy says, or said last, of what it stands in front of."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class ProxySort(enum.Enum):
    """What a proxy is; values are the counters' names."""

    STANDARD = "standard"
    BUILTIN = "gatewayBuiltin"
    DELEGATED = "gatewayDelegated"


def connection_of(proxy: Resource, insight: Resource | None, unseen: frozenset[str]) -> Connection:
    """Whether a proxy is connected; of one in a zone that is not seen nobody knows."""
    if unseen_zone_of(proxy, unseen):
        return Connection.UNKNOWN
    return Connection.ONLINE if is_online(insight) else Connection.OFFLINE


def health_of(dataplane: Resource) -> Health:
    """How many of a proxy's inbounds are ready: all, some or none."""
    sick = unready_of(dataplane)
    if not sick:
        return Health.HEALTHY
    return Health.DEGRADED if len(sick) < len(_inbounds(dataplane)) else Health.UNHEALTHY


def unready_of(dataplane: Resource) -> list[JsonObject]:
    """The inbounds of a proxy that are not ready."""
    return [inbound for inbound in _inbounds(dataplane) if not _ready(inbound)]


def _inbounds(dataplane: Resource) -> list[JsonObject]:
    """Inbounds that count; gateways have none that could be asked."""
    networking = dataplane.spec.get("networking", {})
    inbounds = networking.get("inbound", ()) if "gateway" not in networking else ()
    return [inbound for inbound in inbounds if inbound.get("state") != "Ignored"]


def status_of(dataplane: Resource, insight: Resource | None, unseen: frozenset[str]) -> ProxyStatus:
    """How a proxy is, as clients show it: both in one word.

    Offline when not connected or nothing is ready, degraded when some inbounds are not ready; of one in a zone that is
    not seen nobody knows whether it still is what it was.
    """
    connection = connection_of(dataplane, insight, unseen)
    if connection is not Connection.ONLINE:
        return ProxyStatus(connection.value)
    return _WHILE_CONNECTED[health_of(dataplane)]


_WHILE_CONNECTED = {
    Health.HEALTHY: ProxyStatus.ONLINE,
    Health.DEGRADED: ProxyStatus.DEGRADED,
    Health.UNHEALTHY: ProxyStatus.OFFLINE,
}


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
