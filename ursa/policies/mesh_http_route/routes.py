"""The rules of MeshHTTPRoutes as routes of Envoy: matches in their order, what filters change (`spec` §3.8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from ursa.ir import routes as ir
from ursa.ir.fractions import percent
from ursa.model.json import JsonObject
from ursa.policies.core.route_hash import matches_hash
from ursa.policies.mesh_http_route.prefixes import new_prefixes

KIND = "MeshHTTPRoute"

_PATHS: Mapping[str, tuple[str, int]] = MappingProxyType(
    {"Exact": (ir.EXACT, 0), "PathPrefix": (ir.PREFIX, 1), "RegularExpression": (ir.REGEX, 2)}
)
"""Envoy's word for each kind of path, and its place in the order."""

_NO_PATH = 3

_CONDITIONS: Mapping[str, str] = MappingProxyType(
    {
        "Exact": ir.EXACT,
        "Prefix": ir.PREFIX,
        "RegularExpression": ir.REGEX,
        "Present": ir.PRESENT,
        "Absent": ir.ABSENT,
    }
)

_ANYTHING = ir.RouteMatch()

MirrorTo = Callable[[JsonObject], str]
"""Name of the cluster that a reference to a backend means, empty when it means none."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One match of a rule; `digest` names the rule."""

    match: JsonObject
    rule: JsonObject
    digest: str

    @property
    def takes_everything(self) -> bool:
        """Whether no request passes it by."""
        return _route_matches(self.match) == [_ANYTHING]


def entries(rules: Iterable[JsonObject]) -> list[Entry]:
    """All matches of merged rules in the order in which they are tried."""
    found = []
    for rule in rules:
        matches: Sequence[JsonObject] = rule.get("matches") or ({},)
        digest = matches_hash(rule.get("matches") or ())
        found += [Entry(match, rule, digest) for match in matches]
    return sorted(found, key=lambda entry: _order(entry.match))


def routes(entry: Entry, action: ir.Forward, mirror_to: MirrorTo, *, at_gateway: bool = False) -> Iterator[ir.Route]:
    """The routes of an entry: two for a prefix, which has to end where a part of the path does.

    Args:
        entry: the match and its rule.
        action: where its requests go, unless a filter sends them elsewhere.
        mirror_to: finds the clusters of mirrors.
        at_gateway: whether a prefix is replaced as gateways do it: what takes its place ends where a part of the path
            does, and `/` itself has a route of its own. Sidecars put there what the filter says, to the letter.
    """
    matches = _route_matches(entry.match)
    if at_gateway and (matches[0].path, matches[0].path_kind) == ("/", ir.PREFIX) and new_prefixes(entry.rule):
        matches = [replace(matches[0], path_kind=ir.EXACT), *matches]
    for match in matches:
        route = ir.Route(match, replace(action), matches_hash=entry.digest)
        for filter_conf in (entry.rule.get("default") or {}).get("filters") or ():
            _apply(route, filter_conf, mirror_to)
        if at_gateway and isinstance(route.action, ir.Forward | ir.Redirect) and route.action.prefix_rewrite:
            whole = route.action.prefix_rewrite.rstrip("/") + "/"
            route.action = replace(route.action, prefix_rewrite=whole)
        yield route


def _order(match: JsonObject) -> tuple[int, ...]:
    path: JsonObject = match.get("path") or {}
    _, rank = _PATHS.get(path.get("type", ""), ("", _NO_PATH))
    length = 0 if rank == 0 else -len(path.get("value", ""))
    method = 0 if match.get("method") else 1
    return (rank, length, method, -len(match.get("headers") or ()), -len(match.get("queryParams") or ()))


def _route_matches(match: JsonObject) -> list[ir.RouteMatch]:
    headers = [] if not match.get("method") else [ir.HeaderMatcher(":method", ir.EXACT, match["method"])]
    headers += [_header(conf) for conf in match.get("headers") or ()]
    query = tuple(
        ir.QueryMatcher(conf["name"], ir.EXACT if conf["type"] == "Exact" else ir.REGEX, conf["value"])
        for conf in match.get("queryParams") or ()
    )
    path: JsonObject = match.get("path") or {"type": "PathPrefix", "value": "/"}
    value, (kind, _) = path["value"], _PATHS[path["type"]]
    found = ir.RouteMatch(value, kind, tuple(headers), query)
    if kind != ir.PREFIX or value == "/":
        return [found]
    return [replace(found, path_kind=ir.EXACT), replace(found, path=value + "/")]


def _header(conf: JsonObject) -> ir.HeaderMatcher:
    kind, value = _CONDITIONS[conf.get("type") or "Exact"], conf.get("value") or ""
    if kind == ir.PREFIX and not value:
        kind = ir.PRESENT
    return ir.HeaderMatcher(conf["name"], kind, value, by_string=True)


def _apply(route: ir.Route, conf: JsonObject, mirror_to: MirrorTo) -> None:
    match conf["type"]:
        case "RequestHeaderModifier":
            body = conf["requestHeaderModifier"]
            route.request_headers_to_add += _added(body)
            route.request_headers_to_remove += tuple(body.get("remove") or ())
        case "ResponseHeaderModifier":
            body = conf["responseHeaderModifier"]
            route.response_headers_to_add += _added(body)
            route.response_headers_to_remove += tuple(body.get("remove") or ())
        case "RequestRedirect":
            route.action = _redirect(conf["requestRedirect"], route.match)
        case "URLRewrite" if isinstance(route.action, ir.Forward):
            _rewrite(route.action, conf["urlRewrite"], route.match)
        case "RequestMirror" if isinstance(route.action, ir.Forward):
            body = conf["requestMirror"]
            share = body.get("percentage")
            if cluster := mirror_to(body["backendRef"]):
                mirror = ir.Mirror(cluster, None if share is None else percent(share))
                route.action.mirrors += (mirror,)


def _added(conf: JsonObject) -> tuple[ir.HeaderValue, ...]:
    replacing = [ir.HeaderValue(h["name"], h["value"], overwrite=True) for h in conf.get("set") or ()]
    return (*replacing, *(ir.HeaderValue(h["name"], h["value"]) for h in conf.get("add") or ()))


def _redirect(conf: JsonObject, match: ir.RouteMatch) -> ir.Redirect:
    prefix, regex = _path(conf.get("path"), match)
    return ir.Redirect(
        int(conf.get("statusCode") or 302),
        conf.get("scheme") or "",
        conf.get("hostname") or "",
        int(conf.get("port") or 0),
        prefix,
        regex,
    )


def _rewrite(forward: ir.Forward, conf: JsonObject, match: ir.RouteMatch) -> None:
    forward.prefix_rewrite, forward.regex_rewrite = _path(conf.get("path"), match)
    forward.host_rewrite = conf.get("hostname") or ""
    forward.auto_host_rewrite = forward.auto_host_rewrite or bool(conf.get("hostToBackendHostname"))


def _path(conf: JsonObject | None, match: ir.RouteMatch) -> tuple[str, ir.RegexRewrite | None]:
    """The new prefix of paths that begin with the match's, or the pattern by which a whole path is replaced."""
    if not conf:
        return "", None
    if conf["type"] == "ReplaceFullPath":
        return "", ir.RegexRewrite(".*", conf.get("replaceFullPath") or "/")
    prefix = conf.get("replacePrefixMatch") or "/"
    return (prefix, None) if match.path_kind == ir.PREFIX else ("", ir.RegexRewrite(".*", prefix))
