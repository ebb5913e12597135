"""Rules of HealthChecks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.model.validation.selectors import connection_policy
from ursa.model.validation.values import EMPTY, UNDEFINED, positive_duration, share

_SELECTORS = connection_policy(source_service=True, destination_only_service=True)
_POSITIVE = "must have a positive value"


def health_check_violations(resource: Resource) -> Sequence[Violation]:
    """Everything wrong with a HealthCheck."""
    found = list(_SELECTORS(resource))
    conf = resource.spec.get("conf")
    if conf is None:
        return [*found, Violation("conf", UNDEFINED)]
    for name in ("interval", "timeout"):
        found += positive_duration(f"conf.{name}", conf.get(name, "0s"), _POSITIVE)
    found += [
        Violation(f"conf.{name}", _POSITIVE)
        for name in ("unhealthyThreshold", "healthyThreshold")
        if not conf.get(name)
    ]
    for name in ("initialJitter", "intervalJitter", "noTrafficInterval"):
        found += positive_duration(f"conf.{name}", conf.get(name), _POSITIVE)
    found += share("conf.healthyPanicThreshold", conf.get("healthyPanicThreshold"), "must be in range [0.0 - 100.0]")
    if "http" in conf:
        found += _http("conf.http", conf["http"])
    if "http" in conf and "tcp" in conf:
        found.append(Violation("conf", "http and tcp cannot be defined at the same time"))
    return found


def _http(field: str, http: JsonObject) -> Iterator[Violation]:
    if not http.get("path"):
        yield Violation(f"{field}.path", "has to be defined and cannot be empty")
    for index, status in enumerate(http.get("expectedStatuses", [])):
        if not 100 <= status < 600:
            yield Violation(f"{field}.expectedStatuses[{index}]", "must be in range [100, 600)")
    for index, option in enumerate(http.get("requestHeadersToAdd", [])):
        place = f"{field}.requestHeadersToAdd[{index}].header"
        if "header" not in option:
            yield Violation(place, UNDEFINED)
        elif not option["header"].get("key"):
            yield Violation(f"{place}.key", EMPTY)
