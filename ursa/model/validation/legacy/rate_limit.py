"""Rules of RateLimits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ursa.errors import Violation
from ursa.model.duration import parse_proto
from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.model.validation.selectors import connection_policy

_SELECTORS = connection_policy()
_SHORTEST_INTERVAL = 50_000_000


def rate_limit_violations(resource: Resource) -> Sequence[Violation]:
    """Everything wrong with a RateLimit."""
    found = list(_SELECTORS(resource))
    conf = resource.spec.get("conf")
    if conf is None:
        found.append(Violation("conf", "must have conf"))
    elif "http" in conf:
        found += _http("conf.http", conf["http"])
    return found


def rate_limit_warnings(resource: Resource) -> Sequence[str]:
    """What Kuma accepts but Envoy does not take."""
    interval = resource.spec.get("conf", {}).get("http", {}).get("interval")
    if interval is None or parse_proto(interval) >= _SHORTEST_INTERVAL:
        return ()
    return ("'conf.http.interval' is shorter than 50ms, which Envoy refuses",)


def _http(field: str, http: JsonObject) -> Iterator[Violation]:
    for name in ("requests", "interval"):
        if name not in http:
            yield Violation(f"{field}.{name}", f"{name} must be set")
    for index, header in enumerate(http.get("onRateLimit", {}).get("headers", [])):
        for name in ("key", "value"):
            if not header.get(name):
                yield Violation(f'{field}.onRateLimit.header["{index}"]', f"{name} must be set")
