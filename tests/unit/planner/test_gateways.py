"""Listeners, routes, certificates and clusters of builtin gateways, and how much of them a change makes anew."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.planner.test_zone_proxies import Zone, mesh
from ursa.catalog import default_registry
from ursa.discovery.snapshot import Snapshot
from ursa.envoy.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, RUNTIME, SECRET
from ursa.identity.ca import create_named_ca
from ursa.identity.certificates import LeafIssuer, LeafRequest
from ursa.identity.signing_keys import secret
from ursa.ir.listener import HttpFault
from ursa.ir.plan import ProxyPlan
from ursa.ir.routes import DirectResponse, Forward, Redirect, Route, VirtualHost
from ursa.ir.tls import UpstreamTls
from ursa.model.forms import from_rest
from ursa.model.resource import Resource, ResourceKey
from ursa.planner.inputs import FEATURE_UNIFIED_NAMING, ProxyFacts
from ursa.runtime.clock import SystemClock
from zone_cp.reconciler.proxy import Proxy

EDGE = {"kuma.io/service": "edge"}
SELECTORS = [{"match": EDGE}]
FACTS = ProxyFacts("edge-1")
GATEWAY_REF = {"kind": "MeshGateway", "name": "gw"}


@pytest.fixture
def zone() -> Zone:
    found = Zone()
    found.put(mesh("default", mtls=False), instance("web"), instance("api"))
    found.put(edge())
    return found


def resource(document: dict[str, Any]) -> Resource:
    """A resource as users write it, in its stored form."""
    return from_rest({"mesh": "default", **document}, default_registry())


def instance(service: str, address: str = "10.0.3.1", **tags: str) -> Resource:
    inbound = {"port": 80, "tags": {"kuma.io/service": service, "kuma.io/protocol": "http", **tags}}
    return Resource(
        "Dataplane", "default", f"{service}-{address}", {"networking": {"address": address, "inbound": [inbound]}}
    )


def edge(name: str = "edge-1", address: str = "10.0.5.1", **tags: str) -> Resource:
    gateway = {"type": "BUILTIN", "tags": {**EDGE, **tags}}
    return Resource("Dataplane", "default", name, {"networking": {"address": address, "gateway": gateway}})


def gateway(*listeners: dict[str, Any], name: str = "gw", match: dict[str, str] = EDGE) -> Resource:
    conf = {"listeners": [{"port": 8080, "protocol": "HTTP", **listener} for listener in listeners or ({},)]}
    return resource({"type": "MeshGateway", "name": name, "selectors": [{"match": match}], "conf": conf})


def to(service: str, **more: Any) -> dict[str, Any]:
    return {"weight": 1, "destination": {"kuma.io/service": service}, **more}


def rule(path: str = "/", *backends: dict[str, Any], match: str = "PREFIX", **more: Any) -> dict[str, Any]:
    return {"matches": [{"path": {"match": match, "value": path}}], "backends": list(backends or (to("web"),)), **more}


def route(*rules: dict[str, Any], name: str = "r", hostnames: tuple[str, ...] = (), **tags: str) -> Resource:
    http = {"hostnames": list(hostnames), "rules": list(rules or (rule(),))}
    selectors = [{"match": {**EDGE, **tags}}]
    return resource({"type": "MeshGatewayRoute", "name": name, "selectors": selectors, "conf": {"http": http}})


def policy(kind: str, name: str = "p", target: dict[str, Any] = GATEWAY_REF, **spec: Any) -> Resource:
    return resource({"type": kind, "name": name, "spec": {"targetRef": target, **spec}})


def mesh_route(*rules: dict[str, Any], hostnames: tuple[str, ...] = (), name: str = "r") -> Resource:
    item: dict[str, Any] = {"targetRef": {"kind": "Mesh"}, "rules": list(rules)}
    return policy("MeshHTTPRoute", name, to=[item | ({"hostnames": list(hostnames)} if hostnames else {})])


def mesh_rule(path: str = "/", *refs: dict[str, Any], **default: Any) -> dict[str, Any]:
    backends = [{"kind": "MeshService", "name": "web"}] if not (refs or default) else list(refs)
    return {
        "matches": [{"path": {"type": "PathPrefix", "value": path}}],
        "default": {"backendRefs": backends, **default},
    }


def planned(zone: Zone, dataplane: Resource | None = None, facts: ProxyFacts = FACTS) -> ProxyPlan:
    inputs = zone.planner.gateway_inputs(dataplane or edge(), facts)
    assert inputs is not None
    return zone.planner.plan_gateway(inputs[1])


def hosts(zone: Zone, name: str = "gw:HTTP:8080:*") -> dict[str, VirtualHost]:
    return {host.name: host for host in planned(zone).route_configs[name].virtual_hosts}


def routes(zone: Zone, host: str = "*") -> list[Route]:
    return hosts(zone)[host].routes


def paths(zone: Zone, host: str = "*") -> list[tuple[str, str]]:
    return [(route.match.path_kind, route.match.path) for route in routes(zone, host)]


def forward(route: Route) -> Forward:
    assert isinstance(route.action, Forward)
    return route.action


def test_a_gateway_that_no_meshgateway_selects_does_nothing(zone: Zone) -> None:
    zone.put(gateway(match={"kuma.io/service": "other"}))
    plan = planned(zone)
    assert (plan.listeners, plan.clusters, plan.runtime) == ({}, {}, {})


def test_the_meshgateway_that_names_more_tags_is_the_one(zone: Zone) -> None:
    zone.put(gateway(name="all"), gateway(name="one", match={**EDGE, "team": "a"}))
    assert list(planned(zone).listeners) == ["all:HTTP:8080"]
    assert list(planned(zone, edge(team="a")).listeners) == ["one:HTTP:8080"]


def test_what_is_more_exact_is_tried_first(zone: Zone) -> None:
    rules = [rule("/"), rule("/a"), rule("/a/b"), rule("/a", match="EXACT"), rule("/.*", match="REGEX")]
    zone.put(gateway(), route(*rules))
    assert paths(zone) == [
        *(("exact", "/a/b"), ("exact", "/a")),
        *(("prefix", "/a/b/"), ("prefix", "/a/"), ("prefix", "/")),
        ("regex", "/.*"),
    ]


def test_a_prefix_is_replaced_where_it_ends_and_before_more(zone: Zone) -> None:
    zone.put(gateway(), route(rule("/old", filters=[{"rewrite": {"replacePrefixMatch": "/new"}}])))
    whole, part = map(forward, routes(zone))
    assert whole.regex_rewrite is not None and whole.regex_rewrite.substitution == "/new"
    assert part.prefix_rewrite == "/new/"


def test_a_redirect_keeps_to_the_port_of_the_listener(zone: Zone) -> None:
    redirect = {"redirect": {"status_code": 301, "hostname": "b.example"}}
    zone.put(gateway(), route({"matches": [{"path": {"match": "PREFIX", "value": "/"}}], "filters": [redirect]}))
    (found,) = routes(zone)
    assert found.action == Redirect(301, host="b.example", port=8080, strip_query=True)


def test_a_host_header_that_is_set_is_the_host_that_is_asked_for(zone: Zone) -> None:
    headers = {"set": [{"name": "Host", "value": "b.example"}, {"name": "x-team", "value": "a"}]}
    zone.put(gateway(), route(rule("/", filters=[{"request_header": headers}])))
    (found,) = routes(zone)
    assert forward(found).host_rewrite == "b.example"
    assert [header.name for header in found.request_headers_to_add] == ["X-Team"]


def test_equal_shares_are_one_and_no_weight_at_all_is_even(zone: Zone) -> None:
    zone.put(gateway(), route(rule("/", to("web", weight=0), to("api", weight=0)), rule("/a", to("web"), to("web"))))
    *_, everything = routes(zone)
    assert [share.weight for share in forward(everything).clusters] == [1, 1]
    assert [share.weight for share in forward(routes(zone)[0]).clusters] == [2]


def test_hosts_have_the_routes_that_name_them(zone: Zone) -> None:
    zone.put(gateway({"hostname": "*.example"}), route(name="any"))
    zone.put(route(rule("/api"), name="api", hostnames=("api.example", "other.test")))
    assert list(hosts(zone)) == ["api.example", "*.example"]
    assert paths(zone, "*.example") == [("prefix", "/")]
    assert paths(zone, "api.example") == [("exact", "/api"), ("prefix", "/api/"), ("prefix", "/")]


def test_a_host_that_two_listeners_serve_is_the_more_exact_one_s(zone: Zone) -> None:
    zone.put(gateway({"tags": {"l": "any"}}, {"hostname": "a.example", "tags": {"l": "a"}}))
    zone.put(route(rule("/any"), name="any", hostnames=("a.example", "b.example"), l="any"), route(name="a", l="a"))
    assert list(hosts(zone)) == ["b.example", "a.example", "*"]
    assert paths(zone, "a.example") == [("prefix", "/")]


def test_a_listener_without_routes_says_so(zone: Zone) -> None:
    zone.put(gateway())
    (found,) = routes(zone)
    assert isinstance(found.action, DirectResponse) and found.action.status == 404


def test_listeners_have_clusters_of_their_own(zone: Zone) -> None:
    zone.put(gateway({"tags": {"l": "a"}}, {"port": 8081, "tags": {"l": "b"}}), route())
    plan = planned(zone)
    assert len(plan.clusters) == 2 and all(name.startswith("web-") for name in plan.clusters)
    assert {reference.service for reference in plan.endpoints.values()} == {"web"}


def test_newer_routes_replace_older_ones(zone: Zone) -> None:
    zone.put(gateway(), route(rule("/old")))
    zone.put(mesh_route(mesh_rule("/new"), mesh_rule("/lost", {"kind": "MeshService", "name": "gone", "port": 1})))
    assert paths(zone) == [("exact", "/lost"), ("exact", "/new"), ("prefix", "/lost/"), ("prefix", "/new/")]
    assert routes(zone)[0].action == DirectResponse(500)


def test_a_route_of_sidecars_leaves_gateways_alone(zone: Zone) -> None:
    item = {"targetRef": {"kind": "MeshService", "name": "web"}, "rules": [mesh_rule("/new")]}
    zone.put(gateway(), route(), policy("MeshHTTPRoute", target={"kind": "Mesh"}, to=[item]))
    assert paths(zone) == [("prefix", "/")]


def test_limits_of_connections_are_told_by_runtime(zone: Zone) -> None:
    zone.put(gateway({"resources": {"connectionLimit": 7}}))
    assert planned(zone).runtime == {"envoy.resource_limits.listener.gw:HTTP:8080.connection_limit": 7}


def test_connections_are_forwarded_or_closed(zone: Zone) -> None:
    zone.put(gateway({"protocol": "TCP", "tags": {"l": "tcp"}}, {"port": 8081, "protocol": "TCP"}))
    tcp = {"tcp": {"rules": [{"backends": [to("web", weight=3), to("api")]}]}}
    selectors = [{"match": {**EDGE, "l": "tcp"}}]
    zone.put(resource({"type": "MeshGatewayRoute", "name": "t", "selectors": selectors, "conf": tcp}))
    listeners = planned(zone).listeners
    proxy = listeners["gw:TCP:8080"].chains[0].tcp
    assert proxy is not None and [share.weight for share in proxy.clusters] == [1, 3]
    assert [chain.filters for chain in listeners["gw:TCP:8081"].chains] == [[]]


def test_newer_routes_of_connections_replace_older_ones(zone: Zone) -> None:
    zone.put(gateway({"protocol": "TCP"}, {"port": 8081, "protocol": "TCP", "tags": {"l": "none"}}))
    refs = [{"kind": "MeshService", "name": "api"}, {"kind": "MeshService", "name": "gone"}]
    item = {"targetRef": {"kind": "Mesh"}, "rules": [{"default": {"backendRefs": refs}}]}
    zone.put(policy("MeshTCPRoute", target={**GATEWAY_REF, "tags": {"l": "none"}}, to=[item]))
    plan = planned(zone)
    assert list(plan.listeners) == ["gw:TCP:8081"]
    proxy = plan.listeners["gw:TCP:8081"].chains[0].tcp
    assert proxy is not None and [plan.endpoints[share.name].service for share in proxy.clusters] == ["api", "gone"]


def test_secrets_are_named_as_the_rest_of_the_proxy_and_clusters_as_ever(zone: Zone) -> None:
    zone.put(mesh("default"), gateway(), route())
    old = planned(zone)
    exclusive = mesh("default")
    zone.put(replace(exclusive, spec={**exclusive.spec, "meshServices": {"mode": "Exclusive"}}))
    new = planned(zone, facts=replace(FACTS, features=frozenset({FEATURE_UNIFIED_NAMING})))
    assert new.clusters.keys() == old.clusters.keys()
    (cluster,) = new.clusters.values()
    assert isinstance(cluster.tls, UpstreamTls) and cluster.tls.certificate == "system_mtls_identity_default"


def certificate(name: str = "cert", host: str = "a.example") -> Resource:
    leaf = LeafIssuer(create_named_ca("ca", 0)).issue(LeafRequest(dns=(host,)), SystemClock().now_ns())
    return secret("Secret", "default", name, leaf.certificate_pem + leaf.key_pem)


def over_tls(host: str, protocol: str = "HTTPS", name: str = "cert", mode: str = "TERMINATE") -> dict[str, Any]:
    certificates = [{"secret": name}] if mode == "TERMINATE" else []
    return {"port": 8443, "protocol": protocol, "hostname": host, "tls": {"mode": mode, "certificates": certificates}}


def test_hosts_show_their_certificates(zone: Zone) -> None:
    zone.put(certificate(), gateway(over_tls("*.example"), over_tls("a.example"), over_tls("b.example", name="gone")))
    zone.put(route())
    plan = planned(zone)
    chains = plan.listeners["gw:HTTPS:8443"].chains
    assert [chain.match.server_names for chain in chains if chain.match] == [("a.example",), ("*.example",)]
    (name,) = plan.certificates
    assert all(chain.tls is not None and chain.tls.certificate == (name,) for chain in chains)
    assert all(host.require_tls for config in plan.route_configs.values() for host in config.virtual_hosts)


def test_a_listener_may_leave_tls_alone(zone: Zone) -> None:
    zone.put(gateway(over_tls("a.example", "TLS", mode="PASSTHROUGH")))
    tcp = {"tcp": {"rules": [{"backends": [to("web")]}]}}
    zone.put(resource({"type": "MeshGatewayRoute", "name": "t", "selectors": SELECTORS, "conf": tcp}))
    (chain,) = planned(zone).listeners["gw:TLS:8443"].chains
    assert chain.tls is None and chain.match is not None and chain.match.server_names == ("a.example",)


def test_policies_count_for_the_listeners_they_select(zone: Zone) -> None:
    zone.put(gateway({"tags": {"l": "a"}}, {"port": 8081, "tags": {"l": "b"}}), route())
    conf = {"local": {"http": {"requestRate": {"num": 5, "interval": "1s"}}}}
    only_a = {**GATEWAY_REF, "tags": {"l": "a"}}
    zone.put(policy("MeshRateLimit", target=only_a, to=[{"targetRef": {"kind": "Mesh"}, "default": conf}]))
    abort = {"http": [{"abort": {"httpStatus": 503, "percentage": 50}}]}
    zone.put(policy("MeshFaultInjection", to=[{"targetRef": {"kind": "Mesh"}, "default": abort}]))
    plan = planned(zone)
    limited = {n: c.virtual_hosts[0].routes[0].rate_limit is not None for n, c in plan.route_configs.items()}
    assert limited == {"gw:HTTP:8080:*": True, "gw:HTTP:8081:*": False}
    managers = [listener.chains[0].http for listener in plan.listeners.values()]
    assert all(any(isinstance(f, HttpFault) for f in manager.http_filters) for manager in managers if manager)


def test_connections_beyond_a_rate_are_closed_only_where_they_lead_anywhere(zone: Zone) -> None:
    zone.put(gateway({"protocol": "TCP"}))
    conf = {"local": {"tcp": {"connectionRate": {"num": 5, "interval": "1s"}}}}
    zone.put(policy("MeshRateLimit", to=[{"targetRef": {"kind": "Mesh"}, "default": conf}]))
    assert planned(zone).listeners["gw:TCP:8080"].chains[0].filters == []


class Connected:
    """A gateway that is connected, and what it gets."""

    def __init__(self, zone: Zone) -> None:
        self._zone, self._proxy = zone, Proxy(ResourceKey("Dataplane", "default", "edge-1"), FACTS)

    def snapshot(self) -> Snapshot:
        dataplane = self._zone.view.get(*self._proxy.key)
        assert dataplane is not None
        self._zone.planning.plan(self._proxy, dataplane, self._zone.view)
        self._proxy.publish()
        assert self._proxy.snapshot is not None
        return self._proxy.snapshot


def changed(before: Snapshot, after: Snapshot) -> set[str]:
    """The types of which something is other than before."""
    types = (CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, RUNTIME)
    return {
        t
        for t in types
        if before.layers.get(t, ()) != after.layers.get(t, ()) and _bytes(before, t) != _bytes(after, t)
    }


def _bytes(snapshot: Snapshot, type_url: str) -> dict[str, bytes]:
    return {e.name: e.any_framed for layer in snapshot.layers.get(type_url, ()) for e in layer}


def test_a_new_certificate_is_all_that_is_sent(zone: Zone) -> None:
    zone.put(certificate(), gateway(over_tls("a.example")), route())
    connected = Connected(zone)
    before = connected.snapshot()
    zone.put(certificate())
    assert changed(before, connected.snapshot()) == {SECRET}


def test_what_a_gateway_does_not_read_makes_nothing_anew(zone: Zone) -> None:
    zone.put(gateway(), route())
    connected = Connected(zone)
    before, made = connected.snapshot(), zone.planning.classes_planned
    zone.put(gateway(name="another", match={"kuma.io/service": "other"}), route(name="none", l="nowhere"))
    zone.put(policy("MeshTimeout", target={"kind": "MeshGateway", "name": "another"}, to=[]), instance("unrelated"))
    assert (changed(before, connected.snapshot()), zone.planning.classes_planned) == (set(), made)
    zone.put(route(rule("/more")))
    assert changed(before, connected.snapshot()) == {ROUTE}


def test_a_secret_with_two_keys_is_no_certificate(zone: Zone) -> None:
    two = base64.b64decode(certificate().spec["data"]) * 2
    zone.put(secret("Secret", "default", "cert", two), gateway(over_tls("a.example")), route())
    assert planned(zone).listeners == {}
