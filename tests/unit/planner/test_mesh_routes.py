"""Where MeshHTTPRoutes and MeshTCPRoutes lead the traffic of one destination."""

from __future__ import annotations

from typing import Any

from ursa.catalog import default_registry
from ursa.ir.routes import DirectResponse, Forward, Redirect
from ursa.model.mesh import parse_mesh
from ursa.model.real_service import RealService, ServicePort
from ursa.model.resource import Resource
from ursa.planner.backends import RealBackend
from ursa.planner.inputs import MeshRoutes, OutboundInputs, Settings, TagService
from ursa.planner.mesh_routes import RouteRules, leads_to, mesh_routing
from ursa.planner.names import OLD, UNIFIED, Scheme
from ursa.planner.routing import CATCH_ALL, Routing
from ursa.policies.core.matching import destination_rules
from ursa.policies.core.policy import Policy, parse_policy
from ursa.policies.core.real_rules import compile_real
from ursa.policies.plugin import DestinationRules

EAST = {"kuma.io/zone": "east"}
MESH = parse_mesh(Resource("Mesh", "", "default"))


def service(name: str, protocol: str = "http", kind: str = "MeshService") -> RealService:
    return RealService(kind, "default", name, name, "east", labels=EAST, ports=(ServicePort(80, "main", protocol),))


WEB, API, DB = service("web"), service("api"), service("db", "tcp")
OUT = service("out", kind="MeshExternalService")
SERVICES = (WEB, API, DB, OUT)
WEB_CLUSTER, API_CLUSTER, DB_CLUSTER = (f"default_{name}__east_msvc_80" for name in ("web", "api", "db"))


def ref(name: str, **more: Any) -> dict[str, Any]:
    return {"kind": "MeshService", "name": name, "port": 80, **more}


def http(*refs: dict[str, Any], path: str = "/api", to: str = "web", **default: Any) -> Policy:
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": path}}],
        "default": {"backendRefs": list(refs), **default},
    }
    return policy("MeshHTTPRoute", to, rule)


def tcp(*refs: dict[str, Any], to: str = "web") -> Policy:
    return policy("MeshTCPRoute", to, {"default": {"backendRefs": list(refs)}})


def policy(kind: str, to: str, rule: dict[str, Any]) -> Policy:
    spec = {"targetRef": {"kind": "Mesh"}, "to": [{"targetRef": {"kind": "MeshService", "name": to}, "rules": [rule]}]}
    return parse_policy(Resource(kind, "default", "route", spec, EAST), default_registry()[kind])


def routing(*policies: Policy, of: RealService = WEB, scheme: Scheme = OLD) -> Routing:
    by_kind = {kind: tuple(p for p in policies if p.kind == kind) for kind in ("MeshHTTPRoute", "MeshTCPRoute")}
    tags = (TagService("old", "http", tls=True),)
    known = MeshRoutes(by_kind["MeshHTTPRoute"], by_kind["MeshTCPRoute"], SERVICES, tags)
    inputs = OutboundInputs(
        Settings(), MESH, ipv6=True, outbounds=(), policies=(), routes=known, egress=True, scheme=scheme
    )
    rules = RouteRules(*(DestinationRules(destination_rules(p), compile_real(p)) for p in by_kind.values()))
    return mesh_routing(RealBackend(of, of.ports[0], "main"), inputs, rules)


def shares(of: Routing, position: int = 0) -> list[tuple[str, int]]:
    action = of.routes[position].action
    assert isinstance(action, Forward)
    return [(share.name, share.weight) for share in action.clusters]


def test_without_routes_everything_goes_to_the_destination() -> None:
    assert [route.name for route in routing().routes] == [CATCH_ALL]
    assert shares(routing()) == [(WEB_CLUSTER, 1)]
    assert routing(of=DB).routes == ()
    assert len(routing(of=DB).legs) == 1


def test_shares_are_of_what_exists_gets_some_and_speaks_http() -> None:
    made = routing(http(ref("api", weight=3), ref("web", weight=1), ref("db"), ref("nope"), ref("api", weight=0)))
    assert shares(made) == [(API_CLUSTER, 3), (WEB_CLUSTER, 1)]
    assert [route.name for route in made.routes] == [made.routes[0].resource_origin] * 2 + [CATCH_ALL]


def test_what_is_left_without_a_backend_is_answered() -> None:
    made = routing(http(ref("nope"), path="/"))
    assert [route.action for route in made.routes] == [DirectResponse(500)]
    assert made.backends == ()


def test_a_rule_without_backends_means_the_destination_and_a_redirect_needs_none() -> None:
    assert shares(routing(http())) == [(WEB_CLUSTER, 1)]
    moved = {"type": "RequestRedirect", "requestRedirect": {"hostname": "there"}}
    assert routing(http(ref("nope"), filters=[moved])).routes[0].action == Redirect(302, host="there")


def test_backends_are_named_by_port_section_or_labels_and_as_of_old() -> None:
    section = {"kind": "MeshService", "name": "api", "sectionName": "main"}
    labels = {"kind": "MeshService", "labels": {"kuma.io/display-name": "api"}, "port": 80}
    old = {"kind": "MeshService", "name": "old"}
    subset = {"kind": "MeshServiceSubset", "name": "old", "tags": {"version": "v1"}}
    made = routing(http(section, labels, old, subset, {"kind": "MeshService", "name": "unheard-of"}))
    names = [name for name, _ in shares(made)]
    assert names[:3] == [API_CLUSTER, API_CLUSTER, "old"]
    assert names[3].startswith("old-") and len(names) == 4


def test_in_the_unified_scheme_rules_and_references_are_part_of_names() -> None:
    made = routing(http(ref("api"), {"kind": "MeshService", "name": "api", "sectionName": "main"}), scheme=UNIFIED)
    assert made.routes[0].name == "kri_mhttpr_default_east__route_rule_0"
    assert [name for name, _ in shares(made)] == ["kri_msvc_default_east__api_80", "kri_msvc_default_east__api_main"]


def test_servers_outside_are_asked_by_their_own_names() -> None:
    made = routing(http({"kind": "MeshExternalService", "name": "out"}))
    rewritten = [route.action.auto_host_rewrite for route in made.routes if isinstance(route.action, Forward)]
    assert rewritten == [True, True, False]


def test_mirrors_are_led_to_as_well() -> None:
    copies = {"type": "RequestMirror", "requestMirror": {"backendRef": ref("api")}}
    made = routing(http(ref("web"), filters=[copies]))
    assert API in {backend.service for backend in made.backends if isinstance(backend, RealBackend)}
    assert leads_to([http(ref("web"), filters=[copies]), tcp({"kind": "MeshService", "name": "old"})], SERVICES) == (
        {WEB, API},
        {"old"},
    )


def test_bytes_become_requests_only_when_every_backend_takes_those() -> None:
    assert routing(http(ref("web"), to="db"), of=DB).routes
    for mixed in (http(ref("web"), ref("db"), to="db"), http(to="db")):
        assert routing(mixed, of=DB).routes == ()


def test_connections_are_shared_among_backends_of_any_protocol() -> None:
    made = routing(tcp(ref("db", weight=1), ref("web", weight=2), to="db"), of=DB)
    assert [(leg.backend, leg.weight) for leg in made.legs] == [
        (RealBackend(DB, DB.ports[0], "80"), 1),
        (RealBackend(WEB, WEB.ports[0], "80"), 2),
    ]
    nothing = routing(tcp(ref("nope"), to="db"), of=DB)
    assert not nothing.routes and not nothing.legs


def test_requests_are_bytes_where_there_is_a_route_for_those_only() -> None:
    assert routing(tcp(ref("db"))).routes == ()
    assert shares(routing(tcp(ref("db")), http(ref("api")))) == [(API_CLUSTER, 1)]
