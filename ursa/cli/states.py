"""What `inspect` says about one object: the rows of its tables, computed from the overviews the API sends."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ursa.cli.ages import NEVER, age, newest
from ursa.model.columns import tags_text
from ursa.model.labels import GLOBAL, ORIGIN
from ursa.model.labels import ZONE as ZONE_LABEL

Item = Mapping[str, Any]

CONNECTION = ("LAST CONNECTED AGO", "LAST UPDATED AGO", "TOTAL UPDATES", "TOTAL ERRORS")
DATAPLANE = (
    "MESH",
    "NAME",
    "TAGS",
    "STATUS",
    *CONNECTION,
    "CERT REGENERATED AGO",
    "CERT EXPIRATION",
    "CERT REGENERATIONS",
    "CERT BACKEND",
    "SUPPORTED CERT BACKENDS",
    "KUMA-DP VERSION",
    "ENVOY VERSION",
    "DEPENDENCIES VERSIONS",
    "NOTES",
)
ZONE = ("NAME", "STATUS", *CONNECTION, "ZONE-CP VERSION", "BACKEND")
ZONE_PROXY = ("NAME", "STATUS", *CONNECTION, "KUMA-DP VERSION", "ENVOY VERSION", "ZONE")
SERVICE = ("SERVICE", "STATUS", "DATAPLANES")
_COUNTED = (
    ("TRAFFIC PERMISSIONS", "TrafficPermission"),
    ("TRAFFIC ROUTES", "TrafficRoute"),
    ("CIRCUIT BREAKERS", "CircuitBreaker"),
    ("HEALTH CHECKS", "HealthCheck"),
    ("FAULT INJECTIONS", "FaultInjection"),
    ("EXTERNAL SERVICES", "ExternalService"),
    ("TRAFFIC TRACES", "TrafficTrace"),
    ("TRAFFIC LOGS", "TrafficLog"),
    ("PROXY TEMPLATES", "ProxyTemplate"),
    ("RATE LIMITS", "RateLimit"),
)
MESH = ("MESH", "DATAPLANES", *(title for title, _ in _COUNTED))
ONLINE, OFFLINE, DEGRADED, UNKNOWN = "Online", "Offline", "Partially degraded", "Unknown"
_SERVICE_STATUS = {
    "online": ONLINE,
    "offline": OFFLINE,
    "partially_degraded": DEGRADED,
    "not_available": OFFLINE,
}


def dataplane(item: Item, now: int) -> Sequence[str]:
    """A row of `inspect dataplanes`."""
    networking = item.get("dataplane", {}).get("networking", {})
    insight = item.get("dataplaneInsight") or {}
    subscriptions = insight.get("subscriptions") or []
    mtls = insight.get("mTLS") or {}
    version = subscriptions[-1].get("version", {}) if subscriptions else {}
    dependencies = version.get("dependencies") or {}
    parts = [*networking.get("inbound", ()), networking.get("gateway") or {}]
    status, note = _unseen(item) or _proxy_status(networking, subscriptions)
    return (
        str(item.get("mesh", "")),
        str(item.get("name", "")),
        tags_text(part.get("tags", {}) for part in parts),
        status,
        *_connection(subscriptions, now),
        age(mtls.get("lastCertificateRegeneration"), now),
        mtls.get("certificateExpirationTime", "-"),
        str(mtls.get("certificateRegenerations", 0)),
        mtls.get("issuedBackend", "-"),
        ",".join(mtls.get("supportedBackends") or ()),
        *_versions(version),
        ",".join(f"{k}: {dependencies[k]}" for k in sorted(dependencies)) or "-",
        note,
    )


def zone(item: Item, now: int) -> Sequence[str]:
    """A row of `inspect zones`."""
    subscriptions = (item.get("zoneInsight") or {}).get("subscriptions") or []
    last = subscriptions[-1] if subscriptions else {}
    version = last.get("version", {}).get("kumaCp", {}).get("version", "-")
    # Kuma's control planes do not say more than whether the zone is connected.
    status = str(item.get("status") or (ONLINE if _connected(subscriptions) else OFFLINE)).capitalize()
    return (str(item.get("name", "")), status, *_connection(subscriptions, now), version, _backend(last))


def zone_proxy(item: Item, now: int) -> Sequence[str]:
    """A row of `inspect zoneingresses` and `inspect zoneegresses`."""
    insight = item.get("zoneIngressInsight") or item.get("zoneEgressInsight") or {}
    subscriptions = insight.get("subscriptions") or []
    version = subscriptions[-1].get("version", {}) if subscriptions else {}
    spec, labels = item.get("zoneIngress") or item.get("zoneEgress") or {}, item.get("labels") or {}
    if labels.get(ORIGIN) == GLOBAL and not subscriptions:
        # Seen from a zone: one of another zone, of which only the address comes this way.
        status = UNKNOWN
    else:
        status, _ = _unseen(item) or (ONLINE if _connected(subscriptions) else OFFLINE, "")
    return (
        str(item.get("name", "")),
        status,
        *_connection(subscriptions, now),
        *_versions(version),
        str(labels.get(ZONE_LABEL) or spec.get("zone") or "-"),
    )


def mesh(item: Item, _: int) -> Sequence[str]:
    """A row of `inspect meshes`."""
    proxies, policies = item.get("dataplanes") or {}, item.get("policies") or {}
    resources = item.get("resources") or {}
    counts = [(policies.get(kind) or resources.get(kind) or {}).get("total", 0) for _title, kind in _COUNTED]
    return (
        str(item.get("name", "")),
        f"{proxies.get('online', 0)}/{proxies.get('total', 0)}",
        *map(str, counts),
    )


def service(item: Item, _: int) -> Sequence[str]:
    """A row of `inspect services`."""
    proxies = item.get("dataplanes") or {}
    status = _SERVICE_STATUS.get(str(item.get("status", "")), "-")
    return (str(item.get("name", "")), status, f"{proxies.get('online', 0)}/{proxies.get('total', 0)}")


def _unseen(item: Item) -> tuple[str, str] | None:
    """Status and reason of what is in a zone that the global does not see."""
    if item.get("status") != "unknown":
        return None
    since = item.get("lastSeen")
    return UNKNOWN, f"zone not seen since {since}" if since else "zone never seen"


def _proxy_status(networking: Item, subscriptions: Sequence[Item]) -> tuple[str, str]:
    """Status of a proxy, and which of its inbounds are the reason."""
    if not _connected(subscriptions):
        return OFFLINE, ""
    inbounds = networking.get("inbound") or []
    sick = [i for i in inbounds if i.get("state") == "NotReady" or not i.get("health", {"ready": True}).get("ready")]
    if "gateway" in networking or not sick:
        return ONLINE, ""
    return (OFFLINE if len(sick) == len(inbounds) else DEGRADED), "; ".join(map(_not_ready, sick))


def _not_ready(inbound: Item) -> str:
    service_name = inbound.get("tags", {}).get("kuma.io/service")
    return f"inbound[port={inbound.get('port')},svc={service_name}] is not ready"


def _connected(subscriptions: Sequence[Item]) -> bool:
    return any(not subscription.get("disconnectTime") for subscription in subscriptions)


def _connection(subscriptions: Sequence[Item], now: int) -> Sequence[str]:
    connected = newest(s.get("connectTime") for s in subscriptions)
    updated = newest(s.get("status", {}).get("lastUpdateTime") for s in subscriptions)
    totals = [s.get("status", {}).get("total", {}) for s in subscriptions]
    sent = sum(int(t.get("responsesSent", 0)) for t in totals)
    rejected = sum(int(t.get("responsesRejected", 0)) for t in totals)
    return (age(connected, now), age(updated, now) if updated else NEVER, str(sent), str(rejected))


def _versions(version: Item) -> Sequence[str]:
    return (
        version.get("kumaDp", {}).get("version") or "",
        version.get("envoy", {}).get("version") or "",
    )


def _backend(subscription: Item) -> str:
    """The zone's store, out of the configuration it reports as a text."""
    try:
        return str(json.loads(subscription.get("config") or "{}").get("store", {}).get("type", "-"))
    except ValueError:
        return "-"
