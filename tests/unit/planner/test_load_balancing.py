"""How MeshLoadBalancingStrategies reach the endpoints of sidecars and egresses, service by service."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.planner.test_external_outbounds import client, plan
from tests.unit.planner.test_zone_proxies import EGRESS, Zone, external, mesh, outside, permission, web, zone_proxies
from ursa.ir.cluster import LoadAssignment, Maglev, RandomChoice
from ursa.ir.plan import ProxyPlan
from ursa.model.resource import Resource

TO_WEB = {"kuma.io/service": "web"}


@pytest.fixture
def zone() -> Zone:
    return Zone()


def strategy(conf: Any, *, name: str = "s", to: Any = None, target: Any = None) -> Resource:
    items = [{"targetRef": to or {"kind": "Mesh"}, "default": conf}]
    spec = {"targetRef": target or {"kind": "Mesh"}, "to": items}
    return Resource("MeshLoadBalancingStrategy", "default", name, spec)


def failover(*rules: Any) -> dict[str, Any]:
    return {"localityAwareness": {"crossZone": {"failover": list(rules)}}}


def only(*zones: str) -> dict[str, Any]:
    return {"to": {"type": "Only", "zones": list(zones)}}


def elsewhere(name: str, address: str, service: str = "web") -> Resource:
    """The ingress of another zone that offers a service."""
    offered = {"tags": {"kuma.io/service": service, "kuma.io/zone": name}, "instances": 1, "mesh": "default"}
    networking = {"advertisedAddress": address, "advertisedPort": 10001}
    spec = {"zone": name, "networking": networking, "availableServices": [offered]}
    return Resource("ZoneIngress", "", f"zi-{name}", spec, {"kuma.io/origin": "global"})


def assigned(zone: Zone, of: ProxyPlan, cluster: str = "web") -> LoadAssignment:
    return zone.planner.assignment(cluster, of.endpoints[cluster])


def places(of: LoadAssignment) -> dict[str, tuple[str | None, int]]:
    return {e.address: (e.zone, e.priority) for e in of.endpoints}


def three_zones(zone: Zone, **routing: bool) -> None:
    """`web` here, in west and in north."""
    zone.put(mesh("default", **routing), *web(), elsewhere("west", "10.1.0.1"), elsewhere("north", "10.2.0.1"))


def test_zones_help_out_in_the_order_of_the_rules(zone: Zone) -> None:
    three_zones(zone)
    zone.put(strategy(failover(only("north"), {"to": {"type": "Any"}})))
    found = assigned(zone, plan(zone, client("caller", TO_WEB)))
    assert places(found) == {"10.0.1.1": ("east", 0), "10.2.0.1": ("north", 1), "10.1.0.1": ("west", 2)}
    assert found.overprovisioning == 200


def test_the_mesh_default_counts_until_a_policy_speaks(zone: Zone) -> None:
    three_zones(zone)
    assert set(places(assigned(zone, plan(zone, client("caller", TO_WEB)))).values()) == {
        ("east", 0),
        ("west", 0),
        ("north", 0),
    }
    three_zones(zone, localityAwareLoadBalancing=True)
    aware = places(assigned(zone, plan(zone, client("caller", TO_WEB))))
    assert aware == {"10.0.1.1": ("east", 0), "10.1.0.1": ("west", 1), "10.2.0.1": ("north", 1)}
    zone.put(strategy({"localityAwareness": {"disabled": True}}))
    alike = places(assigned(zone, plan(zone, client("caller", TO_WEB))))
    assert {priority for _, priority in alike.values()} == {0}


def test_endpoints_that_come_later_are_arranged_too(zone: Zone) -> None:
    zone.put(mesh("default"), *web(), strategy(failover(only("north"))))
    planned = plan(zone, client("caller", TO_WEB))
    concerned = zone.put(elsewhere("north", "10.2.0.1"), elsewhere("west", "10.1.0.1"))
    assert ("default", "web") in concerned.endpoints
    assert places(assigned(zone, planned)) == {"10.0.1.1": ("east", 0), "10.2.0.1": ("north", 1)}


def test_affinity_divides_classes_only_by_the_tags_it_asks_for(zone: Zone) -> None:
    service, instance = web()
    inbound = {"port": 8080, "tags": {"kuma.io/service": "web", "kuma.io/zone": "east", "node": "n1"}}
    near = Resource("Dataplane", "default", "web-2", {"networking": {"address": "10.0.1.2", "inbound": [inbound]}})
    affinity = {"localityAwareness": {"localZone": {"affinityTags": [{"key": "node"}]}}}
    zone.put(service, instance, near, strategy(affinity))

    def inputs(name: str, **tags: str) -> Any:
        outbound = [{"address": "127.0.0.1", "port": 9000, "tags": TO_WEB}]
        inbound = [{"port": 80, "tags": {"kuma.io/service": name, **tags}}]
        networking = {"address": "10.0.5.1", "inbound": inbound, "outbound": outbound}
        dataplane = Resource("Dataplane", "default", name, {"networking": networking})
        zone.put(dataplane)
        found = zone.planner.sidecar_inputs(dataplane, zone.proxies[EGRESS].facts)
        assert found is not None
        return found[1]

    on_node, same_node, off_node = inputs("a", node="n1"), inputs("b", node="n1", rack="r"), inputs("c")
    assert on_node == same_node != off_node
    planned = zone.planner.plan_outbound(on_node)
    weights = {e.address: (e.sub_zone, e.locality_weight) for e in assigned(zone, planned).endpoints}
    assert weights == {"10.0.1.1": ("", 1), "10.0.1.2": ("node=n1", 9)}


def test_a_multi_zone_service_fails_over_by_itself_and_in_order_if_one_says_so(zone: Zone) -> None:
    spec = {"selector": {"meshService": {"matchLabels": {}}}, "ports": [{"port": 8080, "appProtocol": "http"}]}
    members = [{"name": "web", "namespace": "", "zone": one, "mesh": "default"} for one in ("east", "west", "north")]
    everywhere = Resource("MeshMultiZoneService", "default", "all", spec, {}, {"meshServices": members})
    service, instance = web()
    zone.put(mesh("default"), service, instance, elsewhere("west", "10.1.0.1"), elsewhere("north", "10.2.0.1"))
    for other in ("west", "north"):
        labels = {"kuma.io/zone": other, "kuma.io/origin": "global", "kuma.io/display-name": "web"}
        zone.put(Resource("MeshService", "default", f"web-{other}", service.spec, labels))
    zone.put(everywhere)
    outbound = {"address": "127.0.0.1", "port": 9000, "backendRef": {"kind": "MeshMultiZoneService", "name": "all"}}
    networking = {"address": "10.0.5.1", "inbound": [{"port": 80, "tags": {"kuma.io/service": "c"}}]}
    caller = Resource("Dataplane", "default", "c", {"networking": {**networking, "outbound": [outbound]}})
    cluster = "default_all___mzsvc_8080"
    by_default = places(assigned(zone, plan(zone, caller), cluster))
    assert by_default == {"10.0.1.1": ("east", 0), "10.1.0.1": ("west", 1), "10.2.0.1": ("north", 1)}
    to = {"kind": "MeshMultiZoneService", "name": "all"}
    zone.put(strategy(failover(only("north"), only("west")), to=to))
    in_order = places(assigned(zone, plan(zone, caller), cluster))
    assert in_order == {"10.0.1.1": ("east", 0), "10.1.0.1": ("west", 2), "10.2.0.1": ("north", 1)}


def test_servers_outside_that_a_sidecar_reaches_itself_are_arranged_where_they_are(zone: Zone) -> None:
    servers = [
        external(place or "any", f"192.0.2.{n}:80", {"kuma.io/zone": place} if place else {})
        for n, place in enumerate(("east", "west", ""), 1)
    ]
    zone.put(mesh("default"), *servers, permission("TrafficPermission", "p", "out"))
    zone.put(strategy({**failover(only("west")), "loadBalancer": {"type": "Maglev"}}))
    cluster = plan(zone, client()).clusters["out"]
    assert {e.address: e.priority for e in cluster.endpoints} == {"192.0.2.1": 0, "192.0.2.2": 1, "192.0.2.3": 2}
    assert cluster.balancer == Maglev()


def test_the_egress_knows_the_order_of_zones_and_the_sidecar_leaves_it_to_it(zone: Zone) -> None:
    three_zones(zone, zoneEgress=True)
    zone.put(strategy({**failover(only("north"), only("west")), "loadBalancer": {"type": "Random"}}))
    sidecar = assigned(zone, plan(zone, client("caller", TO_WEB)))
    ((away, priority),) = {place for place in places(sidecar).values() if place[0] != "east"}
    assert away is not None and away.startswith("egress_") and priority == 1
    egress = zone.planned(EGRESS).plan
    assert places(assigned(zone, egress, "default:web")) == {"10.2.0.1": ("north", 1), "10.1.0.1": ("west", 2)}
    assert egress.clusters["default:web"].balancer == RandomChoice()


def test_the_egress_heeds_only_what_counts_for_all_clients(zone: Zone) -> None:
    three_zones(zone, zoneEgress=True)
    some = {"kind": "MeshSubset", "tags": {"kuma.io/service": "caller"}}
    zone.put(strategy(failover(only("north")), target=some))
    zone.put(strategy({"localityAwareness": {"localZone": {"affinityTags": [{"key": "az"}]}}}, name="near"))
    assert places(assigned(zone, zone.planned(EGRESS).plan, "default:web")).keys() == {"10.1.0.1", "10.2.0.1"}


def test_one_bad_zone_behind_an_egress_is_ejected_alone(zone: Zone) -> None:
    three_zones(zone, zoneEgress=True)
    conf = {"outlierDetection": {"detectors": {"totalFailures": {"consecutive": 3}}}}
    items = [{"targetRef": {"kind": "Mesh"}, "default": conf}]
    zone.put(Resource("MeshCircuitBreaker", "default", "cb", {"targetRef": {"kind": "Mesh"}, "to": items}))
    planned = zone.planned(EGRESS).plan
    outliers = planned.clusters["default:web"].outliers
    assert outliers is not None and outliers.consecutive_5xx is not None
    assert len(assigned(zone, planned, "default:web").endpoints) == 2, "an ingress of each zone is judged by itself"
    zone.put(mesh("default"))
    assert zone.planned(EGRESS).plan.clusters == {}


def test_what_is_outside_is_balanced_by_the_egress(zone: Zone) -> None:
    hashed = {"loadBalancer": {"type": "RingHash"}, "hashPolicies": [{"type": "Header", "header": {"name": "x"}}]}
    zone.put(outside(), strategy(hashed))
    planned = zone.planned(EGRESS)
    (cluster,) = planned.plan.clusters.values()
    assert cluster.balancer is not None
    (chain,) = planned.chains
    assert chain.http is not None
    ((_, forward),) = chain.http.route_config.forwarding
    assert [one.name for one in forward.hash_policies] == ["x"]


def test_external_services_are_balanced_by_the_egress_too(zone: Zone) -> None:
    zone.put(mesh("default", zoneEgress=True), external("a"), external("b", "192.0.2.2:80", {"kuma.io/zone": "east"}))
    hashed = {"loadBalancer": {"type": "Maglev"}, "hashPolicies": [{"type": "Header", "header": {"name": "x"}}]}
    zone.put(strategy({**hashed, **failover(only("west"))}, to={"kind": "MeshService", "name": "out"}))
    (cluster,) = zone.planned(EGRESS).plan.clusters.values()
    assert cluster.balancer == Maglev()
    assert {e.address: e.priority for e in cluster.endpoints} == {"192.0.2.2": 0, "192.0.2.1": 2}


def test_a_change_of_a_strategy_leaves_ingresses_alone(zone: Zone) -> None:
    zone.put(
        mesh("default", zoneEgress=True), *web(), *zone_proxies({"tags": TO_WEB, "instances": 1, "mesh": "default"})
    )
    zone.connect()
    made = zone.planning.ways_planned
    zone.put(strategy(failover(only("west"))))
    zone.connect()
    assert zone.planning.ways_planned == made + 1, "the way from the egress to `web`"
