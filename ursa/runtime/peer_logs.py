"""What peers cause is logged once a minute: a stranger who knocks a thousand times must not fill the disk.

A record belongs to a peer when it has a field `peer`. Records that differ only in the port a peer calls from are the
same; others are limited in number, so inventing a new name for every attempt does not help either.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass, field

WINDOW = 60.0
"""Seconds for which a record is not repeated."""
VARIETY = 20
"""How many different records of one message one host can cause in that time."""
HOSTS = 1_000
"""How many hosts and messages are remembered."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "peer"}


@dataclass(slots=True)
class _Window:
    begin: float
    seen: set[int] = field(default_factory=set)
    omitted: int = 0


class PeerFilter(logging.Filter):
    """Lets the first of equal records pass; the first one after a minute says how many were left out."""

    def __init__(self) -> None:
        super().__init__()
        self._windows: OrderedDict[tuple[str, str, str], _Window] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write the record."""
        _tell_refused_request(record)
        peer = getattr(record, "peer", None)
        if peer is None:
            return True
        key = (record.name, record.msg, _host(str(peer)))
        window = self._windows.get(key)
        if window is None or record.created - window.begin >= WINDOW:
            if window is not None and window.omitted:
                record.omitted = window.omitted
            window = self._windows[key] = _Window(record.created)
            self._windows.move_to_end(key)
            if len(self._windows) > HOSTS:
                self._windows.popitem(last=False)
        text = hash(tuple(str(value) for name, value in vars(record).items() if name not in _STANDARD | {"omitted"}))
        if text in window.seen or len(window.seen) >= VARIETY:
            window.omitted += 1
            return False
        window.seen.add(text)
        return True


def _host(peer: str) -> str:
    """A peer without its port; gRPC writes `ipv4:10.0.0.1:4711`, HTTP only the address."""
    return peer.rpartition(":")[0] if peer.startswith(("ipv4:", "ipv6:")) else peer


def _tell_refused_request(record: logging.LogRecord) -> None:
    """Makes one line of what aiohttp says about bytes that are not HTTP: it takes them for an error of its own."""
    error = record.exc_info[1] if record.exc_info else None
    if record.name != "aiohttp.server" or type(error).__module__ != "aiohttp.http_exceptions":
        return
    record.peer = record.args[0] if isinstance(record.args, tuple) and record.args else ""
    record.error = str(getattr(error, "message", "")).partition("\n")[0].rstrip(":")
    record.levelno, record.levelname = logging.WARNING, "WARNING"
    record.msg, record.args, record.exc_info, record.exc_text = "not an HTTP request", None, None, None
