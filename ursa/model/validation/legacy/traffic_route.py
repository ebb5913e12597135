"""Rules of TrafficRoutes (`spec/policies-legacy.md` §3.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.model.validation.selectors import connection_policy, tag_selector
from ursa.model.validation.values import EMPTY, needed

_SELECTORS = connection_policy(source_service=True, destination_only_service=True)
HASHES = ("XX_HASH", "MURMUR_HASH_2")


def traffic_route_violations(resource: Resource) -> Sequence[Violation]:
    """Everything wrong with a TrafficRoute."""
    conf = resource.spec.get("conf")
    found = list(_SELECTORS(resource))
    if conf is None:
        return [*found, Violation("conf", EMPTY)]
    found += _targets("conf", conf)
    for index, route in enumerate(conf.get("http", [])):
        found += _http(f"conf.http[{index}]", route)
    found += _load_balancer(conf.get("loadBalancer", {}))
    return found


def _targets(field: str, conf: JsonObject) -> Iterator[Violation]:
    split, destination = conf.get("split"), conf.get("destination")
    if not split and not destination:
        yield Violation(field, 'requires either "destination" or "split"')
    if split and destination:
        yield Violation(field, '"split" cannot be defined at the same time as "destination"')
    if destination:
        yield from tag_selector(f"{field}.destination", destination, service=True)
    for index, entry in enumerate(split or []):
        place = f"{field}.split[{index}]"
        if "weight" not in entry:
            yield Violation(f"{place}.weight", "needs to be defined")
        yield from tag_selector(f"{place}.destination", entry.get("destination", {}), service=True)
    if split and not any(entry.get("weight", 0) for entry in split):
        yield Violation(f"{field}.split", "there must be at least one split entry with weight above 0")


def _http(field: str, route: JsonObject) -> Iterator[Violation]:
    match = route.get("match", {})
    if not any(match.get(part) for part in ("method", "path", "headers")):
        yield Violation(
            f"{field}.match",
            'must be present and contain at least one of the elements: "method", "path" or "headers"',
        )
    for part in ("method", "path"):
        if part in match:
            yield from _matcher(f"{field}.match.{part}", match[part])
    for name in sorted(match.get("headers", {})):
        yield from _matcher(f'{field}.match.headers["{name}"]', match["headers"][name])
    yield from _modify(f"{field}.modify", route.get("modify", {}), match)
    yield from _targets(field, route)


def _matcher(field: str, matcher: JsonObject) -> Iterator[Violation]:
    if not matcher:
        yield Violation(field, 'cannot be empty. Available options: "exact", "split" or "regex"')
    for part in ("prefix", "regex"):
        if matcher.get(part) == "":
            yield Violation(f"{field}.{part}", "cannot be empty")


def _modify(field: str, modify: JsonObject, match: JsonObject) -> Iterator[Violation]:
    path, host = modify.get("path"), modify.get("host")
    if path is not None:
        if "rewritePrefix" in path and not match.get("path", {}).get("prefix"):
            yield Violation(f"{field}.path.rewritePrefix", "can only be set when .http.match.path.prefix is not empty")
        if not path:
            yield Violation(f"{field}.path", 'either "rewritePrefix" or "regex" has to be set')
        yield from _replacement(f"{field}.path.regex", path.get("regex"))
    if host is not None:
        if not host:
            yield Violation(f"{field}.host", 'either "value" or "fromPath" has to be set')
        if host.get("value") == "":
            yield Violation(f"{field}.host.value", EMPTY)
        yield from _replacement(f"{field}.host.fromPath", host.get("fromPath"))
    for part in ("requestHeaders", "responseHeaders"):
        for action in ("add", "remove"):
            for index, header in enumerate(modify.get(part, {}).get(action, [])):
                yield from _header(f"{field}.{part}.{action}[{index}]", header, valued=action == "add")


def _replacement(field: str, regex: JsonObject | None) -> Iterator[Violation]:
    if regex is not None:
        yield from needed(field, regex, ("pattern", "substitution"))


def _header(field: str, header: JsonObject, *, valued: bool) -> Iterator[Violation]:
    name = header.get("name", "")
    if not name:
        yield Violation(f"{field}.name", EMPTY)
    elif name.lower() == "host" or name.startswith(":"):
        yield Violation(f"{field}.name", "host header and HTTP/2 pseudo-headers are not allowed to be modified")
    if valued and not header.get("value"):
        yield Violation(f"{field}.value", EMPTY)


def _load_balancer(balancer: JsonObject) -> Iterator[Violation]:
    least = balancer.get("leastRequest")
    if least is not None and 0 < least.get("choiceCount", 0) < 2:
        yield Violation("conf.loadBalancer.leastRequest.choiceCount", "value must be greater than or equal to 2")
    ring = balancer.get("ringHash")
    if ring is not None and ring.get("hashFunction") not in HASHES:
        yield Violation("conf.loadBalancer.ringHash.hashFunction", "must have a valid hash function")
