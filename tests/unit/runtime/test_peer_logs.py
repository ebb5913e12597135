"""What peers cause is logged once a minute, in one line, however often and however varied it comes."""

from __future__ import annotations

import logging

import pytest
from aiohttp.http_exceptions import BadHttpMessage

from ursa.runtime.peer_logs import HOSTS, VARIETY, WINDOW, PeerFilter


def record(at: float = 0.0, message: str = "refused", **fields: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"name": "room", "levelno": logging.WARNING, "msg": message, "created": at})
    vars(made).update(fields)
    return made


def test_what_no_peer_causes_is_always_written() -> None:
    logs = PeerFilter()
    assert all(logs.filter(record(error="same")) for _ in range(3))


@pytest.mark.parametrize(
    "peers", [("10.0.0.1", "10.0.0.1"), ("ipv4:10.0.0.1:1", "ipv4:10.0.0.1:2"), ("unix:", "unix:")]
)
def test_a_repetition_waits_for_a_minute_and_is_counted(peers: tuple[str, str]) -> None:
    logs = PeerFilter()
    assert logs.filter(record(peer=peers[0], error="no token"))
    assert not any(logs.filter(record(at, peer=peers[1], error="no token")) for at in (1, 2, WINDOW - 1))
    later = record(WINDOW, peer=peers[1], error="no token")
    assert logs.filter(later)
    assert later.omitted == 3  # type: ignore[attr-defined]


def test_other_hosts_messages_and_reasons_are_written() -> None:
    logs = PeerFilter()
    assert logs.filter(record(peer="a", error="no token"))
    assert logs.filter(record(peer="b", error="no token"))
    assert logs.filter(record(peer="a", error="wrong token"))
    assert logs.filter(record(message="ended", peer="a", error="no token"))


def test_inventing_reasons_does_not_help() -> None:
    logs = PeerFilter()
    assert sum(logs.filter(record(peer="a", error=str(number))) for number in range(1000)) == VARIETY


def test_inventing_hosts_does_not_fill_the_memory() -> None:
    logs = PeerFilter()
    assert all(logs.filter(record(peer=str(number))) for number in range(2 * HOSTS))
    assert len(logs._windows) == HOSTS


def test_what_is_not_http_is_one_line() -> None:
    logs = PeerFilter()
    error = BadHttpMessage("Invalid method encountered:\n\n  b'\\xff'\n    ^")
    noise = record(message="Error handling request from %s", args=("10.0.0.1",), exc_info=(type(error), error, None))
    noise.name = "aiohttp.server"
    assert logs.filter(noise)
    assert (noise.getMessage(), noise.exc_info) == ("not an HTTP request", None)
    assert vars(noise)["error"] == "Invalid method encountered"
    own = record(message="Error handling request from %s", args=("10.0.0.1",), exc_info=(KeyError, KeyError(), None))
    own.name = "aiohttp.server"
    assert logs.filter(own)
    assert own.exc_info
