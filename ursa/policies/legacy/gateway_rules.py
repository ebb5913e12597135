"""The HTTP rules of MeshGatewayRoutes in the words of MeshHTTPRoutes, which one piece of code makes routes of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from ursa.model.json import Json, JsonObject

_PATHS: Mapping[str, str] = MappingProxyType({"EXACT": "Exact", "PREFIX": "PathPrefix", "REGEX": "RegularExpression"})
_CONDITIONS: Mapping[str, str] = MappingProxyType(
    {"EXACT": "Exact", "REGEX": "RegularExpression", "ABSENT": "Absent", "PRESENT": "Present"}
)
_MODIFIERS: Mapping[str, str] = MappingProxyType(
    {"requestHeader": "requestHeaderModifier", "responseHeader": "responseHeaderModifier"}
)
_ANY_METHOD = "NONE"


def http_rule(rule: JsonObject) -> JsonObject:
    """A rule with its matches and filters; the backends stay what they are, destinations by tags."""
    filters = [made for conf in rule.get("filters", ()) for made in _filters(conf)]
    return {
        "matches": [_match(match) for match in rule.get("matches", ())],
        "default": {"filters": filters, "backendRefs": list(rule.get("backends", ()))},
    }


def _match(match: JsonObject) -> JsonObject:
    made: dict[str, Json] = {}
    if path := match.get("path"):
        kind, value = _PATHS[path.get("match", "EXACT")], path.get("value", "")
        made["path"] = {"type": kind, "value": value.rstrip("/") or "/" if kind == "PathPrefix" else value}
    if (method := match.get("method", _ANY_METHOD)) != _ANY_METHOD:
        made["method"] = method
    for ours, theirs in (("headers", "headers"), ("queryParams", "queryParameters")):
        if conditions := match.get(theirs):
            made[ours] = [_condition(one) for one in conditions]
    return made


def _condition(one: JsonObject) -> JsonObject:
    return {"type": _CONDITIONS[one.get("match", "EXACT")], "name": one["name"], "value": one.get("value", "")}


def _filters(conf: JsonObject) -> Iterator[JsonObject]:
    for theirs, ours in _MODIFIERS.items():
        if theirs in conf:
            yield {"type": ours[0].upper() + ours[1:], ours: conf[theirs]}
    if "mirror" in conf:
        mirror = conf["mirror"]
        yield {
            "type": "RequestMirror",
            "requestMirror": {"backendRef": mirror["backend"], "percentage": mirror.get("percentage")},
        }
    if "redirect" in conf:
        redirect = conf["redirect"]
        body: dict[str, Json] = {key: redirect[key] for key in ("scheme", "hostname", "port") if key in redirect}
        body |= {"statusCode": redirect.get("statusCode"), "path": _path(redirect.get("path", {}))}
        yield {"type": "RequestRedirect", "requestRedirect": body}
    if "rewrite" in conf:
        rewrite = conf["rewrite"]
        to_backend = bool(rewrite.get("hostToBackendHostname"))
        yield {"type": "URLRewrite", "urlRewrite": {"path": _path(rewrite), "hostToBackendHostname": to_backend}}


def _path(conf: JsonObject) -> JsonObject | None:
    if "replaceFull" in conf:
        return {"type": "ReplaceFullPath", "replaceFullPath": conf["replaceFull"]}
    if "replacePrefixMatch" in conf:
        return {"type": "ReplacePrefixMatch", "replacePrefixMatch": conf["replacePrefixMatch"]}
    return None
