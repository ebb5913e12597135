"""Rules of FaultInjections."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.model.validation.selectors import connection_policy
from ursa.model.validation.values import EMPTY, share

_SELECTORS = connection_policy()
_PROTOCOL = "kuma.io/protocol"
_PROTOCOLS = ("http", "http2", "grpc")
_UNIT = re.compile(r"\d*\s?[gmk]bps")
"""Kuma looks for this anywhere in the text, and documents exist that only this accepts."""

_BANDWIDTH = re.compile(r"\d+\s?[gmk]bps")


def fault_injection_violations(resource: Resource) -> Sequence[Violation]:
    """Everything wrong with a FaultInjection."""
    spec = resource.spec
    found = list(_SELECTORS(resource))
    for index, selector in enumerate(spec.get("destinations", [])):
        found += _protocol(f"destinations[{index}].match", selector.get("match", {}))
    conf = spec.get("conf", {})
    if not conf:
        found.append(Violation("conf", "must have at least one of the faults configured"))
    for name, check in (("delay", _delay), ("abort", _abort), ("responseBandwidth", _bandwidth)):
        if name in conf:
            found += _percentage(f"conf.{name}.percentage", conf[name])
            found += check(f"conf.{name}", conf[name])
    return found


def fault_injection_warnings(resource: Resource) -> Sequence[str]:
    """What Kuma accepts although nobody can tell what it means."""
    limit = resource.spec.get("conf", {}).get("responseBandwidth", {}).get("limit")
    if limit is None or _BANDWIDTH.fullmatch(limit):
        return ()
    return (f"'conf.responseBandwidth.limit' is no bandwidth: {limit}",)


def _protocol(field: str, match: JsonObject) -> Iterator[Violation]:
    if not match.get(_PROTOCOL):
        yield Violation(field, "protocol must be specified")
    elif match[_PROTOCOL] not in _PROTOCOLS:
        yield Violation(f'{field}["{_PROTOCOL}"]', f"must be one of the [{', '.join(_PROTOCOLS)}]")


def _percentage(field: str, fault: JsonObject) -> Iterator[Violation]:
    if "percentage" not in fault:
        yield Violation(field, EMPTY)
    yield from share(field, fault.get("percentage"))


def _delay(field: str, fault: JsonObject) -> Iterator[Violation]:
    if "value" not in fault:
        yield Violation(f"{field}.value", EMPTY)


def _abort(field: str, fault: JsonObject) -> Iterator[Violation]:
    status = fault.get("httpStatus")
    if status is None:
        yield Violation(f"{field}.httpStatus", EMPTY)
    elif not 100 <= status < 600:
        yield Violation(f"{field}.httpStatus", "http status code is incorrect")


def _bandwidth(field: str, fault: JsonObject) -> Iterator[Violation]:
    limit = fault.get("limit")
    if limit is None:
        yield Violation(f"{field}.limit", EMPTY)
    elif not _UNIT.search(limit):
        yield Violation(f"{field}.limit", "has to be in kbps/mbps/gbps units")
