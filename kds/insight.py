"""The content of a ZoneInsight: subscriptions with their counters, and which replica holds which stream. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from kds.watermarks import Sent
from ursa.model.json import Json, JsonObject
from ursa.model.timestamps import parse_timestamp, proto_timestamp
from ursa.version import BASED_ON_KUMA

MINORS_APART = 2
"""Minor versions that may lie between a zone and its global."""


@dataclass(frozen=True, slots=True)
class Session:
    """What stays the same about one connection of a zone.

    Attributes:
        id: of the subscription.
        global_instance: replica of the global that serves it.
        zone_instance: replica of the zone that made it.
        version: the zone's `version` block.
        config: the zone's configuration as JSON text.
        token_provided: whether it showed a token.
        connected_at: nanoseconds.
    """

    id: str
    global_instance: str
    connected_at: int
    zone_instance: str = ""
    version: JsonObject = field(default_factory=dict)
    config: str = ""
    token_provided: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """How much of the past an insight keeps."""

    limit: int = 10
    compact: bool = False


def subscription(session: Session, marks: Mapping[str, Sent], now: int, disconnected_at: int = 0) -> JsonObject:
    """A KDSSubscription in canonical JSON, except for zero values."""
    document: dict[str, Json] = {
        "id": session.id,
        "globalInstanceId": session.global_instance,
        "connectTime": proto_timestamp(session.connected_at),
        "status": _status(marks, now),
        "version": {"kumaCp": {**session.version, "kumaCpGlobalCompatible": compatible(session.version)}},
        "config": session.config,
        "authTokenProvided": session.token_provided,
        "zoneInstanceId": session.zone_instance,
    }
    if disconnected_at:
        document["disconnectTime"] = proto_timestamp(disconnected_at)
    return document


def with_subscription(insight: JsonObject, newest: JsonObject, now: int, history: History) -> JsonObject:
    """The insight with a subscription added or replaced; one that begins closes all that are open."""
    subscriptions = list(insight.get("subscriptions", ()))
    places = [place for place, one in enumerate(subscriptions) if one.get("id") == newest["id"]]
    if places:
        subscriptions[places[0]] = newest
    elif newest.get("disconnectTime"):
        # It ended before it was recorded, and maybe because another one, which is, had come meanwhile.
        still_open = (place for place, one in enumerate(subscriptions) if not one.get("disconnectTime"))
        subscriptions.insert(next(still_open, len(subscriptions)), newest)
    else:
        subscriptions = [closed(one, now) for one in subscriptions] + [newest]
    kept = subscriptions[-history.limit :] if history.limit else []
    if history.compact:
        kept = [_compacted(one) for one in kept[:-1]] + kept[-1:]
    return {**insight, "subscriptions": kept}


def closed(document: JsonObject, now: int) -> JsonObject:
    """A subscription with an end."""
    return document if document.get("disconnectTime") else {**document, "disconnectTime": proto_timestamp(now)}


def is_online(insight: JsonObject) -> bool:
    """Whether any subscription is open."""
    return any(one.get("connectTime") and not one.get("disconnectTime") for one in insight.get("subscriptions", ()))


def stream_holder(insight: JsonObject, stream: str) -> str:
    """The replica of the global that holds a stream of the zone, empty when the zone is not connected.

    A zone opens all its streams to one replica unless something in between spreads them. Streams are recorded a while
    after the connection, so a record that is older than it tells of an earlier one.

    Args:
        insight: of the zone.
        stream: named as in `kdsStreams`.
    """
    connections = [one for one in insight.get("subscriptions", ()) if not one.get("disconnectTime")]
    if not connections:
        return ""
    # Of two that began at the same time it is the first one, the connection.
    told = [connections[-1], insight.get("kdsStreams", {}).get(stream, {})]
    newest = max(told, key=lambda one: parse_timestamp(one.get("connectTime", "")))
    return str(newest.get("globalInstanceId", ""))


def compatible(version: JsonObject) -> bool:
    """Whether a zone of this version works with this global; versions that cannot be read do."""
    theirs, ours = _major_minor(str(version.get("version", ""))), _major_minor(BASED_ON_KUMA)
    if theirs is None or ours is None:
        return True
    return theirs[0] == ours[0] and abs(theirs[1] - ours[1]) <= MINORS_APART


def _status(marks: Mapping[str, Sent], now: int) -> JsonObject:
    used = {kind: mark for kind, mark in sorted(marks.items()) if mark.sent}
    newest = max((max(m.sent_at, m.answered_at) for m in used.values()), default=0) or now
    return {
        "lastUpdateTime": proto_timestamp(newest),
        "total": _counters(list(used.values())),
        "stat": {kind: _counters([mark]) for kind, mark in used.items()},
    }


def _counters(marks: list[Sent]) -> JsonObject:
    return {
        "responsesSent": str(sum(m.sent for m in marks)),
        "responsesAcknowledged": str(sum(m.acknowledged for m in marks)),
        "responsesRejected": str(sum(m.rejected for m in marks)),
    }


def _compacted(document: JsonObject) -> JsonObject:
    status = {k: v for k, v in document.get("status", {}).items() if k != "stat"}
    return {**{k: v for k, v in document.items() if k != "config"}, "status": status}


def _major_minor(version: str) -> tuple[int, int] | None:
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found and "preview" not in version else None
