"""Faults as both generations of policies write them; they differ in how they spell durations."""

from __future__ import annotations

import re
from collections.abc import Callable

from ursa.ir.faults import Abort, Delay, Fault, SlowResponse
from ursa.ir.fractions import percent
from ursa.ir.routes import HeaderMatcher
from ursa.model.json import JsonObject

_BANDWIDTH = re.compile(r"(\d+)\s?([gmk])bps", re.IGNORECASE)
_KBPS = {"k": 1, "m": 1000, "g": 1_000_000}


def fault(conf: JsonObject, parse_duration: Callable[[str], int], headers: tuple[HeaderMatcher, ...] = ()) -> Fault:
    """The fault of a conf, for requests with these headers."""
    abort, delay, slow = conf.get("abort"), conf.get("delay"), conf.get("responseBandwidth")
    return Fault(
        None if abort is None else Abort(int(abort["httpStatus"]), percent(abort["percentage"])),
        None if delay is None else Delay(parse_duration(delay["value"]), percent(delay["percentage"])),
        None if slow is None else _slow_response(slow),
        headers,
    )


def _slow_response(conf: JsonObject) -> SlowResponse | None:
    """None for units that nobody can read, which are stored with a warning: the other faults count all the same."""
    found = _BANDWIDTH.fullmatch(conf["limit"])
    if found is None:
        return None
    kbps = int(found[1]) * _KBPS[found[2].lower()]
    return SlowResponse(kbps, percent(conf["percentage"])) if kbps else None
