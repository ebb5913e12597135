"""Rules of Retries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.model.validation.selectors import connection_policy
from ursa.model.validation.values import UNDEFINED, positive_duration, positive_number

_SELECTORS = connection_policy(source_service=True, destination_only_service=True)
_POSITIVE = "has to be greater than 0"
_POSITIVE_WHEN_DEFINED = "has to be greater than 0 when defined"
_EMPTY = "field cannot be empty"


def retry_violations(resource: Resource) -> Sequence[Violation]:
    """Everything wrong with a Retry."""
    found = list(_SELECTORS(resource))
    conf = resource.spec.get("conf")
    if conf is None:
        return [*found, Violation("conf", UNDEFINED)]
    if not conf:
        found.append(Violation("conf", "missing protocol [grpc|http|tcp] configuration"))
    if "http" in conf:
        found += _http("conf.http", conf["http"])
    if "grpc" in conf:
        found += _grpc("conf.grpc", conf["grpc"])
    if "tcp" in conf and not conf["tcp"].get("maxConnectAttempts"):
        found.append(Violation("conf.tcp.maxConnectAttempts", _POSITIVE))
    return found


def _http(field: str, http: JsonObject) -> Iterator[Violation]:
    yield from _tries(field, http)
    for index, method in enumerate(http.get("retriableMethods", [])):
        if method == "NONE":
            yield Violation(f"{field}.retriableMethods[{index}]", _EMPTY)
    for index, condition in enumerate(http.get("retryOn", [])):
        if condition == "retriable_status_codes" and not http.get("retriableStatusCodes"):
            reason = "retriableStatusCodes cannot be empty when this option is specified"
            yield Violation(f"{field}.retryOn[{index}]", reason)


def _grpc(field: str, grpc: JsonObject) -> Iterator[Violation]:
    yield from _tries(field, grpc)
    places: dict[str, list[int]] = {}
    for index, condition in enumerate(grpc.get("retryOn", [])):
        places.setdefault(condition, []).append(index)
    for condition, indexes in places.items():
        if len(indexes) > 1:
            listed = ", ".join(map(str, indexes))
            yield Violation(f"{field}.retryOn", f'repeated value "{condition}" at indexes [{listed}]')


def _tries(field: str, section: JsonObject) -> Iterator[Violation]:
    if not section:
        yield Violation(field, _EMPTY)
    yield from positive_number(f"{field}.numRetries", section.get("numRetries"), _POSITIVE_WHEN_DEFINED)
    yield from positive_duration(f"{field}.perTryTimeout", section.get("perTryTimeout"), _POSITIVE_WHEN_DEFINED)
    back_off = section.get("backOff")
    if back_off is None:
        return
    base = back_off.get("baseInterval")
    if base is None:
        yield Violation(f"{field}.backOff.baseInterval", UNDEFINED)
    yield from positive_duration(f"{field}.backOff.baseInterval", base, _POSITIVE)
    yield from positive_duration(f"{field}.backOff.maxInterval", back_off.get("maxInterval"), _POSITIVE_WHEN_DEFINED)
