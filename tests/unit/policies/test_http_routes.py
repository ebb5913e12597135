"""Rules of MeshHTTPRoutes as Envoy's routes: their order, what they match, what filters change."""

from __future__ import annotations

from typing import Any

import pytest

from ursa.ir import routes as ir
from ursa.ir.fractions import Fraction
from ursa.model.json import JsonObject
from ursa.policies.core.route_hash import matches_hash
from ursa.policies.mesh_http_route.routes import entries, routes


def rule(*matches: dict[str, Any], **default: Any) -> dict[str, Any]:
    return {"matches": list(matches), "default": default}


def path(kind: str, value: str, **more: Any) -> dict[str, Any]:
    return {"path": {"type": kind, "value": value}, **more}


def mirror_to(ref: JsonObject) -> str:
    return str(ref["name"])


def made(*rules: dict[str, Any], at_gateway: bool = False) -> list[ir.Route]:
    forward = ir.Forward((ir.WeightedCluster("there", 1),), timeout=0)
    return [route for entry in entries(rules) for route in routes(entry, forward, mirror_to, at_gateway=at_gateway)]


def only(
    *filters: dict[str, Any], kind: str = "PathPrefix", value: str = "/old", at_gateway: bool = False
) -> list[ir.Route]:
    return made(rule(path(kind, value), filters=list(filters)), at_gateway=at_gateway)


def test_every_match_is_tried_where_it_belongs() -> None:
    by_method = path("PathPrefix", "/api", method="GET")
    by_header = path("PathPrefix", "/api", headers=[{"name": "a", "value": "b"}])
    by_query = path("PathPrefix", "/api", queryParams=[{"type": "Exact", "name": "a", "value": "b"}])
    wanted = [
        path("Exact", "/x"),
        path("Exact", "/longer"),
        path("PathPrefix", "/api/v1"),
        by_method,
        by_header,
        by_query,
        path("PathPrefix", "/api"),
        path("RegularExpression", "/a.*"),
        {"method": "GET"},
    ]
    mixed = [wanted[n] for n in (0, 8, 6, 1, 7, 5, 2, 4, 3)]
    assert [entry.match for entry in entries([rule(*mixed)])] == wanted
    assert [entry.match for entry in entries([rule(match) for match in mixed])] == wanted


def test_a_prefix_ends_where_a_part_of_the_path_does() -> None:
    (exact, below), (root,) = made(rule(path("PathPrefix", "/api"))), made(rule(path("PathPrefix", "/")))
    assert (exact.match, below.match) == (ir.RouteMatch("/api", ir.EXACT), ir.RouteMatch("/api/"))
    assert root.match == ir.RouteMatch("/")
    assert exact.matches_hash == below.matches_hash == matches_hash([path("PathPrefix", "/api")])


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({}, True),
        (path("PathPrefix", "/"), True),
        (path("PathPrefix", "/", method="GET"), False),
        (path("PathPrefix", "/a"), False),
        (path("Exact", "/"), False),
    ],
)
def test_what_takes_everything(match: dict[str, Any], expected: bool) -> None:
    (entry,) = entries([rule(match)])
    assert entry.takes_everything is expected


def test_methods_headers_and_query_parameters() -> None:
    headers = [
        {"name": "exact", "value": "x"},
        {"type": "RegularExpression", "name": "regex", "value": ".*"},
        {"type": "Present", "name": "present"},
        {"type": "Absent", "name": "absent"},
        {"type": "Prefix", "name": "prefix", "value": "p"},
        {"type": "Prefix", "name": "any"},
    ]
    query = [{"type": "Exact", "name": "a", "value": "b"}, {"type": "RegularExpression", "name": "c", "value": "d+"}]
    (route,) = made(rule({"method": "POST", "headers": headers, "queryParams": query}))
    assert [(h.name, h.kind, h.value) for h in route.match.headers] == [
        (":method", ir.EXACT, "POST"),
        ("exact", ir.EXACT, "x"),
        ("regex", ir.REGEX, ".*"),
        ("present", ir.PRESENT, ""),
        ("absent", ir.ABSENT, ""),
        ("prefix", ir.PREFIX, "p"),
        ("any", ir.PRESENT, ""),
    ]
    assert route.match.query == (ir.QueryMatcher("a", ir.EXACT, "b"), ir.QueryMatcher("c", ir.REGEX, "d+"))


def test_headers_are_set_added_and_removed() -> None:
    body = {"set": [{"name": "s", "value": "1"}], "add": [{"name": "a", "value": "2"}], "remove": ["r"]}
    (route,) = only(
        {"type": "RequestHeaderModifier", "requestHeaderModifier": body},
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": body},
        kind="Exact",
    )
    changed = (ir.HeaderValue("s", "1", overwrite=True), ir.HeaderValue("a", "2"))
    assert route.request_headers_to_add == route.response_headers_to_add == changed
    assert route.request_headers_to_remove == route.response_headers_to_remove == ("r",)


def test_a_redirect_takes_the_place_of_the_backends() -> None:
    body = {"scheme": "https", "hostname": "there", "port": 8443, "statusCode": 308}
    for route in only({"type": "RequestRedirect", "requestRedirect": body}):
        assert route.action == ir.Redirect(308, "https", "there", 8443)
    (route,) = only({"type": "RequestRedirect", "requestRedirect": {}}, kind="Exact")
    assert route.action == ir.Redirect(302)


def test_a_sidecar_replaces_a_prefix_to_the_letter() -> None:
    body = {"hostname": "other", "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new"}}
    exact, below = (route.action for route in only({"type": "URLRewrite", "urlRewrite": body}))
    assert isinstance(exact, ir.Forward) and isinstance(below, ir.Forward)
    assert (exact.prefix_rewrite, exact.regex_rewrite) == ("", ir.RegexRewrite(".*", "/new"))
    assert (below.prefix_rewrite, below.regex_rewrite) == ("/new", None)
    assert exact.host_rewrite == below.host_rewrite == "other"


@pytest.mark.parametrize("new", ["/new", "/new/", "/"])
def test_a_gateway_replaces_a_prefix_up_to_a_part_of_the_path(new: str) -> None:
    body = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": new}}
    for value in ("/old", "/"):
        found = only({"type": "URLRewrite", "urlRewrite": body}, value=value, at_gateway=True)
        assert [route.match.path_kind for route in found] == [ir.EXACT, ir.PREFIX]
        exact, below = (route.action for route in found)
        assert isinstance(exact, ir.Forward) and isinstance(below, ir.Forward)
        assert exact.regex_rewrite == ir.RegexRewrite(".*", new)
        assert below.prefix_rewrite == new.rstrip("/") + "/"


def test_a_redirect_replaces_prefixes_alike() -> None:
    body = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new"}}
    for at_gateway, new in ((False, "/new"), (True, "/new/")):
        _, below = only({"type": "RequestRedirect", "requestRedirect": body}, at_gateway=at_gateway)
        assert isinstance(below.action, ir.Redirect) and below.action.prefix_rewrite == new


def test_a_whole_path_is_replaced() -> None:
    body = {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/new"}}
    for route in only({"type": "URLRewrite", "urlRewrite": body}):
        assert isinstance(route.action, ir.Forward)
        assert (route.action.prefix_rewrite, route.action.regex_rewrite) == ("", ir.RegexRewrite(".*", "/new"))


def test_copies_go_to_mirrors_that_exist() -> None:
    def mirror(name: str, **more: Any) -> dict[str, Any]:
        return {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": name}, **more}}

    (route,) = only(mirror("all"), mirror("some", percentage="12.5"), mirror(""), kind="Exact")
    assert isinstance(route.action, ir.Forward)
    assert route.action.mirrors == (ir.Mirror("all"), ir.Mirror("some", Fraction(1250, "TEN_THOUSAND")))
