"""What a ZoneInsight says about connections (`spec/kds.md` §7.1)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kds.insight import (
    History,
    Session,
    closed,
    compatible,
    is_online,
    stream_holder,
    subscription,
    with_subscription,
)
from kds.watermarks import Sent

SECOND = 1_000_000_000
SESSION = Session("s1", "global-1", 5 * SECOND, zone_instance="zone-1-1", version={"version": "2.13.1"}, config="{}")


def test_counters_are_summed_and_listed_by_type() -> None:
    marks = {
        "Mesh": Sent(sent=2, acknowledged=1, rejected=1, sent_at=7 * SECOND),
        "Secret": Sent(),
        "Retry": Sent(sent=1),
    }
    document = subscription(SESSION, marks, 9 * SECOND)
    assert document["status"]["total"] == {
        "responsesSent": "3",
        "responsesAcknowledged": "1",
        "responsesRejected": "1",
    }
    assert list(document["status"]["stat"]) == ["Mesh", "Retry"]
    assert document["status"]["lastUpdateTime"] == "1970-01-01T00:00:07Z"
    assert "disconnectTime" not in document


def test_a_new_subscription_closes_older_ones_and_the_oldest_go() -> None:
    insight = {"subscriptions": [{"id": str(n), "connectTime": "1970-01-01T00:00:01Z"} for n in range(4)]}
    newest = subscription(SESSION, {}, 9 * SECOND)
    after = with_subscription(insight, newest, 9 * SECOND, History(limit=3))
    assert [one["id"] for one in after["subscriptions"]] == ["2", "3", "s1"]
    assert [bool(one.get("disconnectTime")) for one in after["subscriptions"]] == [True, True, False]
    again = with_subscription(after, newest, 10 * SECOND, History(limit=3))
    assert again == after
    assert is_online(after)


def test_no_history_is_kept_if_none_is_wanted() -> None:
    assert with_subscription({}, subscription(SESSION, {}, SECOND), SECOND, History(limit=0))["subscriptions"] == []


def test_one_that_ended_before_it_was_recorded_closes_no_other() -> None:
    winner = subscription(SESSION, {}, 2 * SECOND)
    loser = subscription(replace(SESSION, id="loser"), {}, 3 * SECOND, 4 * SECOND)
    after = with_subscription({"subscriptions": [winner]}, loser, 5 * SECOND, History())
    assert [one["id"] for one in after["subscriptions"]] == ["loser", SESSION.id]
    assert is_online(after) and "disconnectTime" not in after["subscriptions"][-1]
    alone = with_subscription({}, loser, 5 * SECOND, History())
    assert [one["id"] for one in alone["subscriptions"]] == ["loser"] and not is_online(alone)


def test_finished_subscriptions_can_be_compacted() -> None:
    old = {"id": "0", "config": "{}", "status": {"total": {}, "stat": {"Mesh": {}}}}
    newest = subscription(SESSION, {"Mesh": Sent(sent=1)}, SECOND)
    first, last = with_subscription({"subscriptions": [old]}, newest, SECOND, History(compact=True))["subscriptions"]
    assert "config" not in first and "stat" not in first["status"]
    assert last["config"] == "{}" and last["status"]["stat"]


def test_an_end_is_recorded_once() -> None:
    ended = closed({"id": "1"}, SECOND)
    assert closed(ended, 2 * SECOND) == ended
    assert not is_online({"subscriptions": [ended]})


@pytest.mark.parametrize(
    ("version", "expected"),
    [("2.13.10", True), ("2.11.0", True), ("2.10.9", False), ("2.15.0", True), ("3.13.0", False), ("unknown", True)],
)
def test_versions_may_be_two_minors_apart(version: str, expected: bool) -> None:
    assert compatible({"version": version}) is expected


def connection(instance: str, second: int, **more: str) -> dict[str, str]:
    return {"globalInstanceId": instance, "connectTime": f"2026-01-01T00:00:{second:02}Z", **more}


def test_the_holder_of_a_stream_is_whoever_the_zone_turned_to_last() -> None:
    over = {"disconnectTime": "2026-01-01T00:00:09Z"}
    old, new = connection("g1", 1, **over), connection("g2", 10)
    assert stream_holder({}, "stats") == ""
    assert stream_holder({"subscriptions": [old], "kdsStreams": {"stats": connection("g1", 2)}}, "stats") == ""
    # The record of an earlier connection, then that of this one, then one of a stream that went elsewhere.
    for records, holder in (
        ({}, "g2"),
        ({"stats": connection("g1", 2)}, "g2"),
        ({"stats": connection("g3", 11)}, "g3"),
        ({"clusters": connection("g3", 11)}, "g2"),
    ):
        assert stream_holder({"subscriptions": [old, new], "kdsStreams": records}, "stats") == holder
