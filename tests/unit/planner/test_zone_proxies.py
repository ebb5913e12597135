"""What zone ingresses and egresses lead to, and how much of it a change makes anew."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from envoy.config.listener.v3.listener_pb2 import Listener as ListenerMessage
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryResponse

from ursa.catalog import default_registry
from ursa.envoy.listeners import listener_bytes
from ursa.envoy.types import CLUSTER, LISTENER
from ursa.errors import NotFound
from ursa.identity.ca import builtin_cert_secret, builtin_key_secret, create_mesh_ca
from ursa.identity.signing_keys import secret
from ursa.ir.listener import FilterChain, HttpRbac, NetworkRbac
from ursa.ir.plan import ProxyPlan
from ursa.ir.rbac import PrincipalRules, Rbac
from ursa.ir.tls import ExternalTls, FileValidation, InlineValidation, SanMatcher
from ursa.model.resource import Resource, ResourceKey
from ursa.planner.inputs import FEATURE_UNIFIED_NAMING, AdminInputs, ProxyFacts, Settings
from ursa.planner.zone import Concerned, ZonePlanner
from ursa.policies.effects import policy_plugins
from ursa.runtime.clock import SystemClock
from ursa.store.contract import Batch, Change
from ursa.view.view import View
from zone_cp.reconciler.planning import Planning
from zone_cp.reconciler.proxy import Proxy

FACTS = ProxyFacts("zone-proxy", system_ca="/etc/ssl/cas.pem")
MTLS = {"enabledBackend": "ca", "backends": [{"name": "ca", "type": "builtin"}]}

INGRESS = ResourceKey("ZoneIngress", "", "zi")
EGRESS = ResourceKey("ZoneEgress", "", "ze")


@dataclass
class Planned:
    """What a zone proxy gets."""

    plan: ProxyPlan
    chains: list[FilterChain]

    @property
    def snis(self) -> list[str]:
        """In order of the chains."""
        return [sni for chain in self.chains if chain.match is not None for sni in chain.match.server_names]

    def chain(self, sni: str) -> FilterChain:
        """The chain for an SNI."""
        return self.chains[self.snis.index(sni)]


@dataclass
class Zone:
    """The planner of zone `east` over a view that grows by single changes, and its zone proxies."""

    view: View = field(default_factory=View)
    files: dict[str, bytes] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        self.planner = ZonePlanner(
            "east", default_registry(), policy_plugins(), self.settings, read_file=self._file, check=True
        )
        self.planning = Planning(self.planner, SystemClock())
        self.proxies = {key: Proxy(key, FACTS) for key in (INGRESS, EGRESS)}
        self.put(mesh("default"), *zone_proxies())

    def put(self, *resources: Resource) -> Concerned:
        return self._apply(*(Change(resource.key, resource) for resource in resources))

    def delete(self, kind: str, name: str, of: str = "default") -> Concerned:
        return self._apply(Change(ResourceKey(kind, of, name), None))

    def planned(self, key: ResourceKey, facts: ProxyFacts = FACTS) -> Planned:
        resource = self.view.get(*key)
        assert resource is not None
        inputs = self.planner.zone_proxy_inputs(resource, facts)
        plan, chains = self.planner.plan_zone_proxy(inputs, AdminInputs(facts, inputs.address, None)), []
        plan.clusters.clear()
        for share in inputs.shares:
            for destination in share.destinations:
                way = self.planner.plan_way(share.context, destination)
                chains += way.chains
                plan.add(way.cluster)
                if way.endpoints is not None:
                    plan.endpoints[way.cluster.name] = way.endpoints
        return Planned(plan, chains)

    def connect(self) -> None:
        """Plans both zone proxies as for connected ones."""
        for key, proxy in self.proxies.items():
            resource = self.view.get(*key)
            assert resource is not None
            self.planning.plan(proxy, resource, self.view)

    def addresses(self, planned: Planned, cluster: str) -> list[str]:
        return self.addresses_of(planned.plan, cluster)

    def addresses_of(self, plan: ProxyPlan, cluster: str) -> list[str]:
        found = self.planner.assignment(cluster, plan.endpoints[cluster])
        return [endpoint.address for endpoint in found.endpoints]

    def _file(self, path: str) -> bytes:
        if path not in self.files:
            raise NotFound(f"file {path}")
        return self.files[path]

    def _apply(self, *changes: Change) -> Concerned:
        revision = self.view.revision + 1
        stored = [Change(c.key, None if c.after is None else replace(c.after, version=revision)) for c in changes]
        self.view, touched = self.view.apply(Batch(revision, tuple(stored)))
        concerned = self.planner.observe(self.view, touched)
        secrets = {change.key.mesh for change in changes if change.key.kind == "Secret"}
        self.planning.authorities.observe(self.view, concerned.meshes | secrets)
        return concerned


@pytest.fixture
def zone() -> Zone:
    return Zone()


def mesh(name: str, *, mtls: bool = True, **routing: bool) -> Resource:
    return Resource("Mesh", "", name, {"routing": routing, **({"mtls": MTLS} if mtls else {})})


def zone_proxies(*offered: dict[str, Any]) -> tuple[Resource, ...]:
    """An ingress and an egress of this zone, and the ingress of another one with what it offers."""
    away = {"address": "10.9.0.1", "advertisedAddress": "203.0.113.9", "port": 10001, "advertisedPort": 10001}
    other = {"zone": "west", "networking": away, "availableServices": list(offered)}
    return (
        Resource("ZoneIngress", "", "zi", {"networking": {"address": "10.0.0.1", "port": 10001}}),
        Resource("ZoneEgress", "", "ze", {"networking": {"address": "10.0.0.2", "port": 10002}}),
        Resource("ZoneIngress", "", "zi-west", other),
    )


def web(port: dict[str, Any] | None = None, of: str = "default") -> tuple[Resource, ...]:
    """A MeshService with an instance."""
    labels = {"kuma.io/zone": "east", "kuma.io/origin": "zone", "kuma.io/display-name": "web"}
    ports = [port or {"port": 8080, "targetPort": 8080, "appProtocol": "http"}]
    spec = {"selector": {"dataplaneTags": {"kuma.io/service": "web"}}, "ports": ports, "state": "Available"}
    inbound = {"port": 8080, "tags": {"kuma.io/service": "web", "kuma.io/zone": "east"}}
    return (
        Resource("MeshService", of, "web", spec, labels),
        Resource("Dataplane", of, "web-1", {"networking": {"address": "10.0.1.1", "inbound": [inbound]}}),
    )


def outside(name: str = "out", *, of: str = "default", labels: dict[str, str] | None = None, **spec: Any) -> Resource:
    """A MeshExternalService."""
    spec = {"match": {"port": 9000, "protocol": "http"}, "endpoints": [{"address": "example.com", "port": 443}], **spec}
    return Resource("MeshExternalService", of, name, spec, {"kuma.io/display-name": name, **(labels or {})})


def external(name: str = "es", address: str = "192.0.2.1:80", tags: dict[str, str] | None = None) -> Resource:
    """An ExternalService `out`."""
    spec = {"tags": {"kuma.io/service": "out", **(tags or {})}, "networking": {"address": address}}
    return Resource("ExternalService", "default", name, spec)


def permission(kind: str, name: str, service: str) -> Resource:
    """Allows `web` to call a service."""
    if kind == "TrafficPermission":
        sources, destinations = ([{"match": {"kuma.io/service": one}}] for one in ("web", service))
        return Resource(kind, "default", name, {"sources": sources, "destinations": destinations})
    target, client = ({"kind": "MeshService", "name": one} for one in (service, "web"))
    items = [{"targetRef": client, "default": {"action": "Allow"}}]
    return Resource(kind, "default", name, {"targetRef": target, "from": items})


def policies_of(chain: FilterChain) -> list[str]:
    """Names of the allowing policies, filter by filter, `nobody` for a filter without any."""
    http = chain.http.http_filters if chain.http is not None else []
    found: list[Rbac] = [f.rbac for f in (*chain.filters, *http) if isinstance(f, NetworkRbac | HttpRbac)]
    rules = [rbac.rules for rbac in found]
    assert all(isinstance(one, PrincipalRules) for one in rules)
    return [",".join(one.policies) or "nobody" for one in rules if isinstance(one, PrincipalRules)]


WEB_SNI = "add27113f6ca4edc8.web.8080.default.ms"
OUT_SNI = "out{mesh=default}"


def test_other_zones_find_a_mesh_service_by_its_hashed_name(zone: Zone) -> None:
    zone.put(*web())
    planned = zone.planned(INGRESS)
    assert planned.snis == [WEB_SNI]
    assert zone.addresses(planned, "default_web__east_msvc_8080") == ["10.0.1.1"]


def test_real_services_are_named_by_identifiers_when_a_proxy_knows_them(zone: Zone) -> None:
    zone.put(*web({"name": "main", "port": 8080, "targetPort": 8080}))
    planned = zone.planned(INGRESS, replace(FACTS, features=frozenset({FEATURE_UNIFIED_NAMING})))
    assert list(planned.plan.clusters) == ["kri_msvc_default_east__web_main"]
    assert list(planned.plan.listeners) == ["self_inbound_zi_10001"]
    assert planned.snis == [WEB_SNI], "an SNI is the same in all schemes"


def test_what_leaves_the_mesh_is_named_by_identifiers_when_a_proxy_knows_them(zone: Zone) -> None:
    zone.put(outside(), external(), permission("TrafficPermission", "old", "out"))
    planned = zone.planned(EGRESS, replace(FACTS, features=frozenset({FEATURE_UNIFIED_NAMING})))
    assert set(planned.plan.clusters) == {"kri_extsvc_default___out_9000", "default:out"}
    assert list(planned.plan.listeners) == ["self_inbound_ze_10002"]
    assert [chain.name for chain in planned.chains] == ["kri_extsvc_default___out_9000", "default:out_default"]
    assert policies_of(planned.chain(OUT_SNI)) == ["old"]
    assert {chain.tls.certificate for chain in planned.chains if chain.tls} == {"system_mtls_identity_default"}


def test_services_of_other_zones_are_not_behind_the_ingress(zone: Zone) -> None:
    service, _ = web()
    zone.put(replace(service, labels={**service.labels, "kuma.io/zone": "west", "kuma.io/origin": "global"}))
    assert zone.planned(INGRESS).snis == []


def test_of_a_service_in_many_zones_the_ingress_leads_to_the_instances_here(zone: Zone) -> None:
    spec = {"selector": {"meshService": {"matchLabels": {}}}, "ports": [{"port": 8080, "appProtocol": "http"}]}
    here, there = ({"name": "web", "namespace": "", "zone": one, "mesh": "default"} for one in ("east", "west"))
    everywhere = Resource("MeshMultiZoneService", "default", "all", spec, {}, {"meshServices": [here, there]})
    service, instance = web()
    labels = {**service.labels, "kuma.io/zone": "west", "kuma.io/origin": "global"}
    zone.put(service, instance, replace(service, name="web-west", labels=labels), everywhere)
    planned = zone.planned(INGRESS)
    assert [sni.rpartition(".")[2] for sni in planned.snis] == ["mzms", "ms"]
    assert zone.addresses(planned, "default_all___mzsvc_8080") == ["10.0.1.1"]


def test_mesh_services_of_other_zones_never_pass_the_egress(zone: Zone) -> None:
    service, _ = web()
    labels = {**service.labels, "kuma.io/zone": "west", "kuma.io/origin": "global"}
    zone.put(mesh("default", zoneEgress=True), replace(service, labels=labels))
    assert zone.planned(EGRESS).plan.listeners == {}


def test_an_egress_ends_tls_before_a_mesh_external_service(zone: Zone) -> None:
    zone.put(outside())
    planned = zone.planned(EGRESS)
    (chain,) = planned.chains
    assert chain.tls is not None
    assert chain.tls.certificate == "identity_cert:secret:default"
    assert policies_of(chain) == ["MeshTrafficPermission"]


def test_without_mesh_tls_nothing_leaves_by_the_egress(zone: Zone) -> None:
    zone.put(mesh("default", mtls=False), outside(), external())
    assert zone.planned(EGRESS).plan.listeners == {}


def test_a_mesh_may_forbid_its_external_services_to_everybody(zone: Zone) -> None:
    zone.put(mesh("default", defaultForbidMeshExternalServiceAccess=True), outside())
    assert policies_of(zone.planned(EGRESS).chains[0]) == ["nobody"]


def test_what_can_only_be_reached_from_another_zone_is_not_behind_the_egress(zone: Zone) -> None:
    zone.put(outside("here", labels={"kuma.io/zone": "east"}), outside("there", labels={"kuma.io/zone": "west"}))
    assert list(zone.planned(EGRESS).plan.clusters) == ["default_here__east_extsvc_9000"]


def test_no_listener_leads_two_ways_by_one_name(zone: Zone) -> None:
    here = outside("out", labels={"kuma.io/zone": "east"})
    zone.put(here, replace(outside("out"), name="out-from-global"))
    assert len(zone.planned(EGRESS).snis) == 1


def test_an_external_service_that_no_route_names_has_no_way(zone: Zone) -> None:
    destination = {"destination": {"kuma.io/service": "web"}}
    zone.put(external(), Resource("TrafficRoute", "default", "r", {"conf": destination}))
    assert zone.planned(EGRESS).plan.clusters == {}


def test_what_cannot_be_used_leaves_the_others_alone(zone: Zone) -> None:
    broken = {"enabled": True, "caCert": {"inline": "not base64"}}
    secure = external("b")
    zone.put(external("a", "nowhere"), external("c", "bad host:80"), external("d"))
    zone.put(replace(secure, spec={**secure.spec, "networking": {**secure.spec["networking"], "tls": broken}}))
    zone.put(outside(), outside("other", tls={"enabled": True, "verification": {"caCert": {"inline": "%"}}}))
    planned = zone.planned(EGRESS)
    assert set(planned.plan.clusters) == {"default:out", "default_out___extsvc_9000"}
    assert len(planned.plan.clusters["default:out"].endpoints) == 1


def test_a_service_without_a_usable_server_has_no_chain(zone: Zone) -> None:
    zone.put(outside(endpoints=[]), outside("odd", endpoints=[{"address": "not a host", "port": 1}]))
    assert zone.planned(EGRESS).chains == []


def tls_of(zone: Zone, facts: ProxyFacts = FACTS, **tls: Any) -> ExternalTls:
    """TLS towards the server of a MeshExternalService."""
    zone.put(outside(tls={"enabled": True, **tls}))
    (cluster,) = zone.planned(EGRESS, facts).plan.clusters.values()
    (match,) = cluster.tls_matches
    assert (match.name, match.tags) == ("example.com", ())
    assert isinstance(match.tls, ExternalTls)
    return match.tls


HOST_SANS = (SanMatcher("example.com", type="DNS"), SanMatcher("example.com", type="IP_ADDRESS"))


def test_servers_are_checked_with_the_authorities_of_the_system(zone: Zone) -> None:
    tls = tls_of(zone, version={"min": "TLS12", "max": "TLS13"})
    assert tls == ExternalTls(
        "example.com", FileValidation("/etc/ssl/cas.pem", HOST_SANS), min_version="TLSv1_2", max_version="TLSv1_3"
    )


def test_without_any_authority_servers_are_not_checked(zone: Zone) -> None:
    assert tls_of(zone, replace(FACTS, system_ca=""), version={"min": "TLS12"}) == ExternalTls("example.com")


def test_an_authority_of_its_own_comes_before_those_of_the_system(zone: Zone) -> None:
    names = [{"value": "a.example"}, {"type": "Prefix", "value": "b."}]
    tls = tls_of(zone, verification={"caCert": {"inlineString": "CA"}, "subjectAltNames": names})
    others = [
        SanMatcher(value, type=kind, prefix=value == "b.")
        for kind in ("DNS", "IP_ADDRESS")
        for value in ("a.example", "b.")
    ]
    assert tls.validation == InlineValidation(b"CA", (*HOST_SANS, *others))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("SkipSAN", ExternalTls("example.com", InlineValidation(b"CA"))),
        ("SkipCA", ExternalTls("other.example")),
        ("SkipAll", ExternalTls("example.com")),
    ],
)
def test_checks_can_be_skipped(zone: Zone, mode: str, expected: ExternalTls) -> None:
    verification = {"mode": mode, "serverName": "other.example", "caCert": {"inlineString": "CA"}}
    assert tls_of(zone, verification=verification) == expected


def test_an_authority_in_a_secret_is_followed(zone: Zone) -> None:
    tls = {"enabled": True, "verification": {"caCert": {"secret": "ca"}}}
    zone.put(outside(tls=tls))
    assert zone.planned(EGRESS).chains == [], "never without the check that was asked for"
    for bundle in (b"ONE", b"TWO"):
        concerned = zone.put(secret("Secret", "default", "ca", bundle))
        assert concerned.zone_proxies
        (cluster,) = zone.planned(EGRESS).plan.clusters.values()
        assert isinstance(cluster.tls_matches[0].tls, ExternalTls)
        assert cluster.tls_matches[0].tls.validation == InlineValidation(bundle, HOST_SANS)
    assert not zone.put(secret("Secret", "default", "unused", b"")).zone_proxies


def test_an_external_service_needs_a_permission(zone: Zone) -> None:
    zone.put(external())
    assert policies_of(zone.planned(EGRESS).chain(OUT_SNI)) == ["nobody"]
    zone.put(permission("TrafficPermission", "old", "out"))
    assert policies_of(zone.planned(EGRESS).chain(OUT_SNI)) == ["old"]
    zone.put(permission("MeshTrafficPermission", "new", "out"))
    assert policies_of(zone.planned(EGRESS).chain(OUT_SNI)) == ["MeshTrafficPermission"]
    zone.delete("MeshTrafficPermission", "new")
    zone.put(permission("MeshTrafficPermission", "elsewhere", "other"))
    assert policies_of(zone.planned(EGRESS).chain(OUT_SNI)) == ["old"]
    everywhere = permission("MeshTrafficPermission", "dataplanes", "")
    zone.put(replace(everywhere, spec={**everywhere.spec, "targetRef": {"kind": "Dataplane"}}))
    assert policies_of(zone.planned(EGRESS).chain(OUT_SNI)) == ["old"], "a server is no Dataplane"


def test_faults_and_rates_for_an_external_service_are_the_egress_business(zone: Zone) -> None:
    zone.put(external(tags={"kuma.io/protocol": "http"}), permission("TrafficPermission", "old", "out"))

    def filters() -> list[str]:
        manager = zone.planned(EGRESS).chain(OUT_SNI).http
        assert manager is not None
        return [type(one).__name__ for one in manager.http_filters]

    assert filters() == ["Router"]
    abort = {"abort": {"httpStatus": 500, "percentage": 50}}
    item = {"targetRef": {"kind": "Mesh"}, "default": {"http": [abort]}}
    target = {"kind": "MeshService", "name": "out"}
    zone.put(Resource("MeshFaultInjection", "default", "faults", {"targetRef": target, "from": [item]}))
    assert filters() == ["HttpFault", "Router"]
    local = {"http": {"requestRate": {"num": 1, "interval": "1s"}}}
    limited = {"targetRef": {"kind": "Mesh"}, "default": {"local": local}}
    zone.put(Resource("MeshRateLimit", "default", "rates", {"targetRef": target, "from": [limited]}))
    assert sorted(filters()) == ["HttpFault", "HttpRateLimit", "Router"]
    zone.delete("MeshFaultInjection", "faults")
    zone.delete("MeshRateLimit", "rates")
    selectors = {
        "sources": [{"match": {"kuma.io/service": "web"}}],
        "destinations": [{"match": {"kuma.io/service": "out"}}],
    }
    conf = {"http": {"requests": 1, "interval": "1s"}}
    zone.put(Resource("RateLimit", "default", "older", {**selectors, "conf": conf}))
    assert filters() == ["HttpRateLimit", "Router"]


def test_limits_for_all_destinations_of_the_mesh_count_for_what_is_outside(zone: Zone) -> None:
    def limits(policy: str, connections: int, **target: str) -> Resource:
        default = {"connectionLimits": {"maxConnections": connections}}
        to = [{"targetRef": {"kind": "Mesh"}, "default": default}]
        return Resource("MeshCircuitBreaker", "default", policy, {"targetRef": target, "to": to})

    zone.put(outside(), limits("everybody", 7, kind="Mesh"), limits("web", 1, kind="MeshService", name="web"))
    (cluster,) = zone.planned(EGRESS).plan.clusters.values()
    assert cluster.thresholds is not None
    assert cluster.thresholds.max_connections == 7, "an egress does not tell clients apart"


def test_services_of_one_name_share_a_cluster(zone: Zone) -> None:
    zone.put(external("a"), external("b", "example.com:80"))
    (cluster,) = zone.planned(EGRESS).plan.clusters.values()
    assert (cluster.name, cluster.type) == ("default:out", "STRICT_DNS")
    assert [endpoint.address for endpoint in cluster.endpoints] == ["192.0.2.1", "example.com"]


def offered(service: str, **more: Any) -> dict[str, Any]:
    """A service that the other zone offers."""
    return {"tags": {"kuma.io/service": service, "kuma.io/zone": "west"}, "instances": 2, "mesh": "default", **more}


def test_there_is_a_way_for_all_tags_that_something_in_the_mesh_names(zone: Zone) -> None:
    tags = {"kuma.io/service": "web", "version": "v1"}
    available = [{"tags": tags, "instances": 1, "mesh": "default"}]
    ingress, *_ = zone_proxies()
    zone.put(replace(ingress, spec={**ingress.spec, "availableServices": available}))
    assert zone.planned(INGRESS).snis == ["web{mesh=default}"]
    subset = {"kind": "MeshServiceSubset", "name": "web", "tags": {"version": "v2"}}
    mirror = {"kind": "MeshServiceSubset", "name": "web", "tags": {"version": "v3"}}
    filters = [{"type": "RequestMirror", "requestMirror": {"backendRef": mirror}}]
    rules = [{"matches": [], "default": {"backendRefs": [subset], "filters": filters}}]
    to = [{"targetRef": {"kind": "MeshService", "name": "web"}, "rules": rules}]
    gateway_rule = {"backends": [{"destination": {"kuma.io/service": "web", "version": "v4"}}]}
    parameters = [{"name": "name", "tagKey": "kuma.io/service"}, {"name": "version"}]
    selectors = [{"match": {"kuma.io/service": "web"}}]
    zone.put(
        Resource("MeshHTTPRoute", "default", "r", {"targetRef": {"kind": "Mesh"}, "to": to}),
        Resource("MeshGatewayRoute", "default", "g", {"conf": {"http": {"rules": [gateway_rule]}}}),
        Resource("VirtualOutbound", "default", "v", {"selectors": selectors, "conf": {"parameters": parameters}}),
    )
    versions = [f"web{{mesh=default,version=v{number}}}" for number in (1, 2, 3, 4)]
    assert zone.planned(INGRESS).snis == sorted([*versions, "web{mesh=default}"])


def test_an_external_service_of_another_zone_is_reached_by_its_ingress(zone: Zone) -> None:
    there = external(tags={"kuma.io/zone": "west"})
    zone.put(mesh("default", zoneEgress=True), there, *zone_proxies(offered("out", externalService=True)))
    planned = zone.planned(EGRESS)
    assert planned.chain(OUT_SNI).tls is None, "the other zone's egress ends TLS"
    assert zone.addresses(planned, "default:out") == ["203.0.113.9"]


def test_what_is_offered_there_but_known_here_is_reached_from_here(zone: Zone) -> None:
    zone.put(mesh("default", zoneEgress=True), external(), *zone_proxies(offered("out")))
    planned = zone.planned(EGRESS)
    assert planned.snis == [OUT_SNI]
    assert planned.chain(OUT_SNI).tls is not None


def test_one_destination_more_is_one_way_more(zone: Zone) -> None:
    zone.put(mesh("other"), *web(), *web(of="other"), outside(), outside(of="other"), external())
    zone.connect()
    made = zone.planning.ways_planned
    ingress, egress = (zone.proxies[key] for key in (INGRESS, EGRESS))
    before = (*ingress.shares, *egress.shares)
    zone.put(outside("more", of="other"))
    zone.connect()
    assert zone.planning.ways_planned == made + 1
    after = (*ingress.shares, *egress.shares)
    assert [old is new for old, new in zip(before, after, strict=True)] == [True, True, True, False]
    step = after[-1].rendered.resources[CLUSTER].step_from(before[-1].rendered.resources[CLUSTER])
    assert step.names == {"other_more___extsvc_9000"}


def test_policies_without_effect_on_an_egress_leave_it_alone(zone: Zone) -> None:
    zone.put(outside(), external())
    zone.connect()
    made, own = zone.planning.ways_planned, zone.proxies[EGRESS].own
    to = [{"targetRef": {"kind": "Mesh"}, "default": {"http": {"requestTimeout": "3s"}}}]
    zone.put(Resource("MeshTimeout", "default", "slow", {"targetRef": {"kind": "Mesh"}, "to": to}))
    zone.connect()
    assert zone.planning.ways_planned == made
    assert zone.proxies[EGRESS].own is own


def test_a_listener_joined_from_chains_is_the_listener_made_at_once(zone: Zone) -> None:
    zone.put(*web(), outside(), external())
    zone.connect()
    for key, proxy in zone.proxies.items():
        planned = zone.planned(key)
        (listener,) = (one for name, one in planned.plan.listeners.items() if name != "kuma:envoy:admin")
        assert proxy.own is not None
        held = proxy.own.resources[LISTENER].get(listener.name)
        assert held is not None
        (packed,) = DiscoveryResponse.FromString(held.any_framed).resources
        at_once = ListenerMessage.FromString(listener_bytes(replace(listener, chains=planned.chains)))
        assert ListenerMessage.FromString(packed.value) == at_once


def test_instances_that_come_and_go_plan_no_zone_proxy(zone: Zone) -> None:
    zone.put(*web())
    _, instance = web()
    concerned = zone.put(replace(instance, name="web-2"))
    assert not concerned.zone_proxies
    assert concerned.endpoints == {("default", "web"), ("default", "MeshService/web:8080")}


def test_an_egress_gets_a_certificate_of_every_mesh_it_serves(zone: Zone) -> None:
    zone.put(mesh("other"), mesh("third"), outside(), outside(of="other"))
    for of in ("default", "other", "third"):
        authority = create_mesh_ca(of, SystemClock().now_ns())
        certificate = secret("Secret", of, builtin_cert_secret(of, "ca"), authority.bundle_pem)
        zone.put(certificate, secret("Secret", of, builtin_key_secret(of, "ca"), authority.key_pem))
    zone.connect()
    egress = zone.proxies[EGRESS]
    assert set(egress.identities) == {"default", "other"}
    assert len(egress.authorities) == 2
    assert zone.proxies[INGRESS].identities == {}
