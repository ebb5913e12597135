"""Rules of MeshGatewayRoutes (`spec/policies-legacy.md` §3.14). Some paths are in snake case: Kuma writes them so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.model.validation.fields import port
from ursa.model.validation.selectors import selectors, tag_selector
from ursa.model.validation.values import EMPTY, needed

_WITHOUT_VALUE = ("ABSENT", "PRESENT")
_HEADER_FILTERS = (("requestHeader", "request_header"), ("responseHeader", "response_header"))
_HOST = "cannot modify 'host' header, when route has set 'rewrite.host_to_backend_hostname' option"


def gateway_route_violations(resource: Resource) -> Sequence[Violation]:
    """Everything wrong with a MeshGatewayRoute."""
    found = list(selectors("selectors", resource.spec.get("selectors", []), service=True))
    conf = resource.spec.get("conf")
    if not conf:
        return [*found, Violation("conf", EMPTY)]
    if "http" in conf:
        rules = conf["http"].get("rules", [])
        if not rules:
            found.append(Violation("conf.http.rules", EMPTY))
        for index, rule in enumerate(rules):
            found += _rule(f"conf.http.rules[{index}]", rule)
    for index, rule in enumerate(conf.get("tcp", {}).get("rules", [])):
        found += _backends(f"conf.tcp.rules[{index}].backends", rule)
    return found


def _rule(field: str, rule: JsonObject) -> Iterator[Violation]:
    matches, filters = rule.get("matches", []), rule.get("filters", [])
    if not matches:
        yield Violation(f"{field}.matches", EMPTY)
        return
    for index, match in enumerate(matches):
        yield from _match(f"{field}.matches[{index}]", match)
    by_prefix = all(match.get("path", {}).get("match") == "PREFIX" for match in matches)
    for index, one in enumerate(filters):
        yield from _filter(f"{field}.filters[{index}]", one, by_prefix=by_prefix)
    yield from _kept_hosts(f"{field}.filters", filters)
    if not any("redirect" in one for one in filters):
        yield from _backends(f"{field}.backends", rule)
    elif len(filters) > 1:
        yield Violation(f"{field}.filters", "redirects cannot be used with other filters")
    elif rule.get("backends"):
        yield Violation(f"{field}.backends", "must be empty when using redirect filters")


def _backends(field: str, rule: JsonObject) -> Iterator[Violation]:
    backends = rule.get("backends", [])
    if not backends:
        yield Violation(field, EMPTY)
    for index, backend in enumerate(backends):
        yield from tag_selector(f"{field}[{index}].destination", backend.get("destination", {}), service=True)


def _match(field: str, match: JsonObject) -> Iterator[Violation]:
    if not match:
        yield Violation(field, EMPTY)
    path = match.get("path")
    if path is not None:
        value = path.get("value", "")
        if not value:
            yield Violation(f"{field}.value", EMPTY)
        elif path.get("match") != "REGEX" and not value.startswith("/"):
            yield Violation(f"{field}.value", "must be an absolute path")
    for name, place in (("headers", "headers"), ("queryParameters", "query_parameters")):
        for index, one in enumerate(match.get(name, [])):
            yield from _named(f"{field}.{place}[{index}]", one)


def _named(field: str, one: JsonObject) -> Iterator[Violation]:
    yield from needed(field, one, ("name",))
    if one.get("match") not in _WITHOUT_VALUE:
        yield from needed(field, one, ("value",))
    elif one.get("value"):
        yield Violation(f"{field}.value", "cannot be set")


def _filter(field: str, one: JsonObject, *, by_prefix: bool) -> Iterator[Violation]:
    for name, place in _HEADER_FILTERS:
        if name in one:
            yield from _headers(f"{field}.{place}", one[name])
    if "mirror" in one:
        yield from _mirror(f"{field}.mirror", one["mirror"])
    if "rewrite" in one:
        yield from _rewrite(f"{field}.rewrite", one["rewrite"], by_prefix=by_prefix)
    if "redirect" in one:
        redirect, field = one["redirect"], f"{field}.redirect"
        if "port" in redirect:
            yield from port(f"{field}.port", redirect["port"])
        if not 300 <= redirect.get("statusCode", 0) <= 308:
            yield Violation(f"{field}.status_code", "must be in the range [300, 308]")
        yield from _rewrite(f"{field}.path", redirect.get("path", {}), by_prefix=by_prefix)


def _headers(field: str, headers: JsonObject) -> Iterator[Violation]:
    if not headers:
        yield Violation(field, EMPTY)
    for action in ("set", "add"):
        for index, header in enumerate(headers.get(action, [])):
            yield from needed(f"{field}.{action}[{index}]", header, ("name", "value"))
    for index, name in enumerate(headers.get("remove", [])):
        if not name:
            yield Violation(f"{field}.remove[{index}]", EMPTY)


def _mirror(field: str, mirror: JsonObject) -> Iterator[Violation]:
    if "percentage" not in mirror:
        yield Violation(f"{field}.percentage", EMPTY)
    if "backend" not in mirror:
        yield Violation(f"{field}.backend", EMPTY)
    else:
        yield from tag_selector(f"{field}.backend.destination", mirror["backend"].get("destination", {}), service=True)


def _rewrite(field: str, rewrite: JsonObject, *, by_prefix: bool) -> Iterator[Violation]:
    if "replacePrefixMatch" in rewrite and not by_prefix:
        yield Violation(f"{field}.replacePrefixMatch", "cannot be used without a match on path prefix")


def _kept_hosts(field: str, filters: Sequence[JsonObject]) -> Iterator[Violation]:
    """A host name taken from the backend would be overwritten; filters are counted among those of headers."""
    if not any(one.get("rewrite", {}).get("hostToBackendHostname") for one in filters):
        return
    for index, headers in enumerate(one["requestHeader"] for one in filters if "requestHeader" in one):
        for action in ("set", "add"):
            for place, header in enumerate(headers.get(action, [])):
                if header.get("name", "").lower() in ("host", ":authority"):
                    yield Violation(f"{field}[{index}].request_header.{action}[{place}]", _HOST)
