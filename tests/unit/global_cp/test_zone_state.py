"""What is said about zones: connected is not enough, unseen is not online."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from global_cp.zone_state import Sight, Status, ZoneState, state_of
from global_cp.zones import Connection, Memory
from kds.drains import Drain
from kds.sender import Unanswered
from kds.transport import UP
from ursa.model.resource import Resource
from ursa.model.timestamps import rfc3339

SECOND = 1_000_000_000
NOW = 1_000 * SECOND


def connection(since: int, waiting: Unanswered | None = None) -> Connection:
    """As much of a connection as a state depends on."""
    sender = SimpleNamespace(unanswered=lambda: waiting)
    return cast(Connection, SimpleNamespace(sender=sender, session=SimpleNamespace(connected_at=since)))


def memory(*streams: str, seen: int = 0) -> Memory:
    return Memory(cast(Any, None), seen=seen, open=set(streams))


def state(
    held: Connection | None = None,
    known: Memory | None = None,
    *,
    enabled: bool = True,
    drain: Drain | None = None,
    **subscription: str,
) -> ZoneState:
    insight = Resource("ZoneInsight", "", "east", {"subscriptions": [subscription]}) if subscription else None
    zone = Resource("Zone", "", "east", {"enabled": enabled}, modified=7)
    return state_of(Sight(zone, insight, held, known, instance="here", now=NOW, stalled=10), drain)


def test_a_zone_is_online_while_both_ways_are_open_and_nothing_waits() -> None:
    assert state(connection(NOW - 60 * SECOND), memory(UP)) == ZoneState(
        Status.ONLINE, NOW - 60 * SECOND, holder="here"
    )


def test_a_zone_that_leaves_responses_unanswered_is_degraded() -> None:
    found = state(connection(NOW - 60 * SECOND, Unanswered("Mesh", 11)), memory(UP))
    assert found.status is Status.DEGRADED and "Mesh" in found.reasons[0]
    assert state(connection(NOW - 60 * SECOND, Unanswered("Mesh", 3)), memory(UP)).status is Status.ONLINE


def test_a_zone_from_which_nothing_can_come_is_degraded_once_it_had_time_to_connect() -> None:
    assert state(connection(NOW - 60 * SECOND), memory()).status is Status.DEGRADED
    assert state(connection(NOW - 3 * SECOND), memory()).status is Status.ONLINE


def test_a_zone_that_is_not_seen_is_unknown_since_it_was_seen() -> None:
    gone = state(None, memory(seen=50 * SECOND), connectTime=rfc3339(SECOND), disconnectTime=rfc3339(49 * SECOND))
    assert (gone.status, gone.since) == (Status.UNKNOWN, 50 * SECOND)
    assert state() == ZoneState(Status.UNKNOWN, 0, ("never seen",))


def test_a_zone_at_another_replica_is_online_there() -> None:
    found = state(None, None, connectTime=rfc3339(5 * SECOND), globalInstanceId="there")
    assert (found.status, found.since, found.holder) == (Status.ONLINE, 5 * SECOND, "there")


def test_a_disabled_zone_is_disabled_whether_it_is_seen_or_not() -> None:
    assert state(connection(NOW), memory(UP), enabled=False).status is Status.DISABLED
    assert state(enabled=False).since == 7


def test_a_drained_zone_is_draining_unless_it_is_not_seen_or_not_wanted() -> None:
    out, back = Drain(40, 100, 0, 3, 4), Drain(40, 0, 100, 3, 4)
    here = connection(NOW - 60 * SECOND), memory(UP)
    found = state(*here, drain=out)
    assert (found.status, found.since) == (Status.DRAINING, 3)
    assert found.reasons == ("gets 40 % of its weight from other zones",)
    assert state(*here, drain=back).status is Status.ONLINE
    waiting = state(connection(NOW - 60 * SECOND, Unanswered("Mesh", 11)), memory(UP), drain=out)
    assert waiting.status is Status.DRAINING and "Mesh" in waiting.reasons[1]
    assert state(drain=out).status is Status.UNKNOWN
    assert state(*here, enabled=False, drain=out).status is Status.DISABLED
