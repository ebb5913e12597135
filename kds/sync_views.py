"""Watermarks as JSON documents, for API, command line and GUI."""

from __future__ import annotations

from collections.abc import Mapping

from kds.client import ClientStatus
from kds.watermarks import Received, Sent
from ursa.model.json import Json, JsonObject
from ursa.model.timestamps import rfc3339


def client_view(status: ClientStatus, revision: int) -> JsonObject:
    """How a zone's connection to the global is doing; `revision` is that of the zone's view."""
    return {
        "connected": status.connected,
        "since": _time(status.since),
        "lastError": status.last_error,
        "attempts": status.attempts,
        "streamRestarts": dict(status.restarts),
        "revision": revision,
        "received": received_view(status.down),
        "sent": sent_view(status.up),
        "unsendable": dict(status.unsendable),
        "spared": status.spared,
    }


def sent_view(marks: Mapping[str, Sent]) -> JsonObject:
    """What was sent, by type."""
    return {kind: _sent(mark) for kind, mark in sorted(marks.items())}


def received_view(marks: Mapping[str, Received]) -> JsonObject:
    """What was received, by type."""
    return {
        kind: {
            "responses": mark.responses,
            "revision": mark.revision,
            "appliedTime": _time(mark.applied_at),
            "quarantined": dict(mark.quarantined),
        }
        for kind, mark in sorted(marks.items())
    }


def _sent(mark: Sent) -> JsonObject:
    document: dict[str, Json] = {
        "responses": mark.sent,
        "acknowledged": mark.acknowledged,
        "rejected": mark.rejected,
        "sentRevision": mark.sent_revision,
        "acknowledgedRevision": mark.acknowledged_revision,
        "sentTime": _time(mark.sent_at),
        "answeredTime": _time(mark.answered_at),
    }
    if mark.error:
        document["error"] = mark.error
    if mark.refused:
        document["refused"] = dict(mark.refused)
    if mark.withheld:
        document["withheld"] = sorted(mark.withheld)
    return document


def _time(nanoseconds: int) -> str | None:
    return rfc3339(nanoseconds) if nanoseconds else None
