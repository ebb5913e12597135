"""Rules of MeshHTTPRoute's matches and filters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.validation.addresses import is_ip
from ursa.policies.core.backend_refs import check_backend_ref, check_backend_refs
from ursa.policies.core.checks import (
    at_least_one_of,
    must_be_defined,
    must_not_be_defined,
    must_not_be_empty,
    numeric,
)
from ursa.policies.core.target_ref import MESH_SERVICE, MESH_SERVICE_SUBSET

_BODIES = {
    "RequestHeaderModifier": "requestHeaderModifier",
    "ResponseHeaderModifier": "responseHeaderModifier",
    "RequestRedirect": "requestRedirect",
    "URLRewrite": "urlRewrite",
    "RequestMirror": "requestMirror",
}
_MIRRORS = (MESH_SERVICE, MESH_SERVICE_SUBSET)
_TRAILING_SLASH = "does not need a trailing slash because only a `/`-separated prefix or an entire path is matched"


def check_rule(field: str, rule: JsonObject, *, on_gateway: bool) -> Iterator[Violation]:
    """Checks one rule of a route."""
    matches, conf = rule.get("matches") or (), rule.get("default") or {}
    filters = conf.get("filters") or ()
    for index, match in enumerate(matches):
        yield from _check_match(f"{field}.matches[{index}]", match)
    by_prefix = all((match.get("path") or {}).get("type") == "PathPrefix" for match in matches)
    for index, one in enumerate(filters):
        yield from _check_filter(f"{field}.default.filters[{index}]", one, by_prefix=by_prefix, on_gateway=on_gateway)
    redirected = any(one["type"] == "RequestRedirect" for one in filters)
    if on_gateway and not conf.get("backendRefs") and not redirected:
        yield must_not_be_empty(f"{field}.default.backendRefs")
    yield from check_backend_refs(f"{field}.default", conf)


def _check_match(field: str, match: JsonObject) -> Iterator[Violation]:
    path = match.get("path")
    if path is not None:
        yield from _check_path(f"{field}.path.value", path)
    for index, header in enumerate(match.get("headers") or ()):
        if header["type"] in ("Present", "Absent") and "value" in header:
            yield must_not_be_defined(f"{field}.headers[{index}].value")
    seen = set()
    for index, parameter in enumerate(match.get("queryParams") or ()):
        name = parameter["name"]
        if name in seen:
            yield Violation(f"{field}.queryParams[{index}].name", f"multiple entries for name {name}")
        seen.add(name)


def _check_path(field: str, path: JsonObject) -> Iterator[Violation]:
    kind, value = path["type"], path["value"]
    if kind == "RegularExpression":
        return
    if not value.startswith("/"):
        yield Violation(field, "must be an absolute path")
    if kind == "PathPrefix" and value.endswith("/") and value != "/":
        yield Violation(field, _TRAILING_SLASH)


def _check_filter(field: str, one: JsonObject, *, by_prefix: bool, on_gateway: bool) -> Iterator[Violation]:
    name = _BODIES[one["type"]]
    body, field = one.get(name), f"{field}.{name}"
    if body is None:
        yield must_be_defined(field)
    elif name in ("requestHeaderModifier", "responseHeaderModifier"):
        yield from _check_headers(field, body)
    elif name == "requestMirror":
        yield from check_backend_ref(f"{field}.backendRef", body["backendRef"], _MIRRORS)
        yield from numeric(f"{field}.percentage", body.get("percentage"))
    else:
        yield from _check_location(field, body, by_prefix=by_prefix)
        if body.get("hostToBackendHostname"):
            yield from _check_backend_hostname(f"{field}.hostToBackendHostname", body, on_gateway=on_gateway)


def _check_headers(field: str, body: JsonObject) -> Iterator[Violation]:
    yield from at_least_one_of(field, body, ("set", "add", "remove"))
    seen = set()
    for action in ("set", "add", "remove"):
        entries: Sequence[JsonObject | str] = body.get(action) or ()
        for index, entry in enumerate(entries):
            name = (entry if isinstance(entry, str) else str(entry["name"])).lower()
            if name in seen:
                yield Violation(f"{field}.{action}[{index}].name", "duplicate header name")
            seen.add(name)


def _check_location(field: str, body: JsonObject, *, by_prefix: bool) -> Iterator[Violation]:
    """Host and path of a redirect or of a rewrite."""
    if is_ip(body.get("hostname", "")):
        yield Violation(f"{field}.hostname", "cannot be an IP address")
    path, field = body.get("path"), f"{field}.path"
    if path is None:
        return
    wanted = "replaceFullPath" if path["type"] == "ReplaceFullPath" else "replacePrefixMatch"
    if wanted not in path:
        yield must_be_defined(f"{field}.{wanted}")
    elif wanted == "replacePrefixMatch" and not by_prefix:
        yield Violation(f"{field}.{wanted}", "can only appear if all matches match a path prefix")


def _check_backend_hostname(field: str, body: JsonObject, *, on_gateway: bool) -> Iterator[Violation]:
    if not on_gateway:
        yield Violation(field, "can only be set with MeshGateway")
    if body.get("hostname"):
        yield Violation(field, "cannot be set together with hostname")
