"""What can honestly be said about a zone. "Connected" is not enough: data must flow; what is not seen is not known."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from global_cp.zones import Connection, Memory, newest_subscription
from kds.drains import Drain
from kds.transport import UP
from ursa.model.resource import Resource
from ursa.model.timestamps import parse_timestamp


class Status(enum.Enum):
    """Everything a zone can be."""

    ONLINE = "online"
    DEGRADED = "degraded"
    """Connected, but something that should move stands still."""
    UNKNOWN = "unknown"
    """Not seen; what was known last is kept."""
    DISABLED = "disabled"
    DRAINING = "draining"
    """Other zones send it less and less, or nothing any more, because an operator wants that."""


@dataclass(frozen=True, slots=True)
class ZoneState:
    """A zone's status.

    Attributes:
        status: in one word.
        since: from when on that holds, or when the zone was seen for the last time; nanoseconds, 0 for never.
        reasons: why it is not better.
        holder: replica of the global to which the zone is connected, empty if it is to none.
    """

    status: Status
    since: int
    reasons: tuple[str, ...] = ()
    holder: str = ""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a replica sees of a zone.

    Attributes:
        zone: the Zone.
        insight: its ZoneInsight.
        connection: with this replica, if there is one.
        memory: what this replica knows of it.
        instance: this replica.
        now: nanoseconds since the epoch.
        stalled: seconds after which something that should move counts as standing still.
    """

    zone: Resource
    insight: Resource | None
    connection: Connection | None
    memory: Memory | None
    instance: str
    now: int
    stalled: float


def state_of(sight: Sight, drain: Drain | None = None) -> ZoneState:
    """The state of a zone; `drain` is its way out or back, if it is on one."""
    found = _seen(sight)
    if drain is None:
        return found
    # What is not seen or wanted at all is still that, first of all.
    here = found.status in (Status.ONLINE, Status.DEGRADED) and drain.target == 0
    status, since = (Status.DRAINING, drain.started_at) if here else (found.status, found.since)
    reason = f"gets {drain.share} % of its weight from other zones"
    return replace(found, status=status, since=since, reasons=(reason, *found.reasons))


def _seen(sight: Sight) -> ZoneState:
    """The state of a zone as far as its connection tells."""
    zone, connection, memory = sight.zone, sight.connection, sight.memory
    newest = newest_subscription(sight.insight)
    elsewhere = bool(newest) and not newest.get("disconnectTime") and newest.get("globalInstanceId") != sight.instance
    holder = sight.instance if connection is not None else str(newest.get("globalInstanceId", "")) if elsewhere else ""
    if zone.spec.get("enabled") is False:
        return ZoneState(Status.DISABLED, zone.modified, holder=holder)
    if connection is not None and memory is not None:
        reasons = _standing_still(connection, memory, sight.now, sight.stalled)
        status = Status.DEGRADED if reasons else Status.ONLINE
        return ZoneState(status, connection.session.connected_at, reasons, holder)
    if elsewhere:
        return ZoneState(Status.ONLINE, parse_timestamp(newest.get("connectTime", "")), holder=holder)
    seen = max(memory.seen if memory is not None else 0, parse_timestamp(newest.get("disconnectTime", "")))
    return ZoneState(Status.UNKNOWN, seen, ("not connected",) if seen else ("never seen",))


def _standing_still(connection: Connection, memory: Memory, now: int, stalled: float) -> tuple[str, ...]:
    reasons = []
    waiting = connection.sender.unanswered()
    if waiting is not None and waiting.seconds > stalled:
        reasons.append(f"{waiting.kind} sent {waiting.seconds:.0f} s ago has not been answered")
    connected_for = (now - connection.session.connected_at) / 1e9
    if UP not in memory.open and connected_for > stalled:
        reasons.append("nothing can come from the zone: its stream upwards is not open")
    return tuple(reasons)
