"""What MeshLoadBalancingStrategies mean: balancers, hashes, and the order of localities."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster as ClusterMessage
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from google.protobuf.json_format import MessageToDict

from tests.unit.policies.building import outbound, policy, rules_of
from ursa.envoy.clusters import cluster_bytes
from ursa.envoy.routing import route_config
from ursa.ir.cluster import Cluster
from ursa.ir.localities import Failover, Localities
from ursa.ir.routes import RetryPolicy
from ursa.policies.core.place import Place
from ursa.policies.mesh_load_balancing_strategy.effect import MeshLoadBalancingStrategyPlugin, asked_tags
from ursa.policies.mesh_load_balancing_strategy.localities import localities

EAST = Place("east")


def strategy(**conf: Any) -> Any:
    return policy("MeshLoadBalancingStrategy", to=[{"targetRef": {"kind": "Mesh"}, "default": conf}])


def balanced(by_egress: bool = False, **conf: Any) -> Any:
    """An outbound after a strategy."""
    target = replace(outbound(), place=EAST, by_egress=by_egress)
    MeshLoadBalancingStrategyPlugin().outbound(target, rules_of(strategy(**conf)))
    return target


def as_json(cluster: Cluster) -> dict[str, Any]:
    return MessageToDict(ClusterMessage.FromString(cluster_bytes(cluster)))


@pytest.mark.parametrize(
    ("balancer", "expected"),
    [
        ({"type": "RoundRobin"}, {}),
        ({"type": "Random"}, {"lbPolicy": "RANDOM"}),
        ({"type": "LeastRequest"}, {"lbPolicy": "LEAST_REQUEST"}),
        (
            {"type": "LeastRequest", "leastRequest": {"choiceCount": 3, "activeRequestBias": "1.5"}},
            {
                "lbPolicy": "LEAST_REQUEST",
                "leastRequestLbConfig": {"choiceCount": 3, "activeRequestBias": {"defaultValue": 1.5}},
            },
        ),
        ({"type": "RingHash"}, {"lbPolicy": "RING_HASH"}),
        (
            {"type": "RingHash", "ringHash": {"hashFunction": "MurmurHash2", "minRingSize": 5, "maxRingSize": 9}},
            {
                "lbPolicy": "RING_HASH",
                "ringHashLbConfig": {
                    "hashFunction": "MURMUR_HASH_2",
                    "minimumRingSize": "5",
                    "maximumRingSize": "9",
                },
            },
        ),
        (
            {"type": "Maglev", "maglev": {"tableSize": 17}},
            {"lbPolicy": "MAGLEV", "maglevLbConfig": {"tableSize": "17"}},
        ),
    ],
)
def test_balancers(balancer: Any, expected: Any) -> None:
    (cluster,) = balanced(loadBalancer=balancer).clusters
    assert {key: value for key, value in as_json(cluster).items() if "lb" in key.lower()} == expected


@pytest.mark.parametrize(
    ("ring", "sizes"),
    [
        ({"maxRingSize": 100}, (100, 100)),
        ({"minRingSize": 200, "maxRingSize": 100}, (100, 100)),
        ({"maxRingSize": 5000}, (None, 5000)),
        ({"minRingSize": 5000}, (5000, None)),
        ({"minRingSize": 10, "maxRingSize": 20}, (10, 20)),
    ],
)
def test_rings_are_no_larger_than_they_may_be(ring: Any, sizes: Any) -> None:
    (cluster,) = balanced(loadBalancer={"type": "RingHash", "ringHash": ring}).clusters
    assert (cluster.balancer.min_size, cluster.balancer.max_size) == sizes


@pytest.mark.parametrize(
    ("asked", "given"), [(1, 2), (2, 2), (9, 11), (17, 17), (65537, 65537), (5_000_011, 5_000_011)]
)
def test_tables_have_a_prime_size_because_envoy_refuses_others(asked: int, given: int) -> None:
    (cluster,) = balanced(loadBalancer={"type": "Maglev", "maglev": {"tableSize": asked}}).clusters
    assert cluster.balancer.table_size == given


@pytest.mark.parametrize(
    ("conf", "expected"),
    [
        (
            {"type": "Header", "header": {"name": "x"}, "terminal": True},
            {"header": {"headerName": "x"}, "terminal": True},
        ),
        (
            {"type": "Cookie", "cookie": {"name": "c", "ttl": "2s", "path": "/p"}},
            {"cookie": {"name": "c", "ttl": "2s", "path": "/p"}},
        ),
        ({"type": "Connection", "connection": {"sourceIP": True}}, {"connectionProperties": {"sourceIp": True}}),
        ({"type": "SourceIP"}, {"connectionProperties": {"sourceIp": True}}),
        ({"type": "QueryParameter", "queryParameter": {"name": "q"}}, {"queryParameter": {"name": "q"}}),
        ({"type": "FilterState", "filterState": {"key": "k"}}, {"filterState": {"key": "k"}}),
    ],
)
def test_hashes(conf: Any, expected: Any) -> None:
    assert hashes(balanced(hashPolicies=[conf])) == [expected]


def hashes(target: Any) -> Any:
    config = RouteConfiguration(**route_config(target.listener.chains[0].http.route_config))
    (route,) = MessageToDict(config)["virtualHosts"][0]["routes"]
    return route["route"].get("hashPolicy", [])


def test_a_connection_that_is_not_to_count_makes_no_hash() -> None:
    assert hashes(balanced(hashPolicies=[{"type": "Connection", "connection": {"sourceIP": False}}])) == []


@pytest.mark.parametrize(("kind", "section"), [("RingHash", "ringHash"), ("Maglev", "maglev")])
def test_the_older_place_of_hashes_counts_for_the_chosen_balancer_if_the_newer_is_empty(
    kind: str, section: str
) -> None:
    of = {"hashPolicies": [{"type": "Header", "header": {"name": "old"}}]}
    newer = [{"type": "Header", "header": {"name": "new"}}]
    assert hashes(balanced(loadBalancer={"type": kind, section: of})) == [{"header": {"headerName": "old"}}]
    both = balanced(loadBalancer={"type": kind, section: of}, hashPolicies=newer)
    assert hashes(both) == [{"header": {"headerName": "new"}}]
    assert hashes(balanced(loadBalancer={"type": "Random", section: of})) == []


def test_what_else_a_route_does_stays() -> None:
    target = outbound()
    forward = target.listener.chains[0].http.route_config.forwarding[0][1]  # type: ignore[union-attr]
    forward.retry = RetryPolicy(num_retries=3)
    MeshLoadBalancingStrategyPlugin().outbound(target, rules_of(strategy(loadBalancer={"type": "Random"})))
    assert forward.retry == RetryPolicy(num_retries=3)


def cross(*rules: Any, **more: Any) -> dict[str, Any]:
    return {"localityAwareness": {"crossZone": {"failover": list(rules), **more}}}


def test_a_policy_that_says_nothing_of_localities_prefers_the_own_zone() -> None:
    assert balanced(loadBalancer={"type": "Random"}).clusters[0].localities == Localities("east")
    assert balanced(localityAwareness={"disabled": True}).clusters[0].localities == Localities()


def test_the_place_of_a_rule_is_its_priority_whether_those_before_count_or_not() -> None:
    conf = cross(
        {"from": {"zones": ["west"]}, "to": {"type": "Any"}},
        {"from": {"zones": ["north", "east"]}, "to": {"type": "Only", "zones": ["west"]}},
        {"to": {"type": "None"}},
        {"to": {"type": "AnyExcept", "zones": ["south"]}},
    )
    assert localities(conf, EAST).failover == (
        Failover(2, frozenset({"west"})),
        Failover(4, frozenset({"south"}), all_but=True),
    )
    assert localities(conf, Place("west")).failover[0] == Failover(1, all_but=True)


def test_priorities_stay_within_what_envoy_knows() -> None:
    rules = [{"to": {"type": "Only", "zones": [f"z{n}"]}} for n in range(200)]
    assert max(step.priority for step in localities(cross(*rules), EAST).failover) == 127


@pytest.mark.parametrize(
    ("percentage", "factor"), [(100, 100), (50, 200), (70, 142), ("12.5", 800), (30, 333), (1, 10_000)]
)
def test_a_threshold_becomes_a_factor(percentage: int | str, factor: int) -> None:
    conf = cross({"to": {"type": "Any"}}, failoverThreshold={"percentage": percentage})
    assert localities(conf, EAST).overprovisioning == factor
    assert localities(cross({"to": {"type": "Any"}}), EAST).overprovisioning == 200


def test_affinity_takes_the_clients_own_tags_and_nine_tenths_each() -> None:
    tags = [{"key": key} for key in ("node", "rack", "az")]
    conf = {"localityAwareness": {"localZone": {"affinityTags": tags}}}
    found = localities(conf, Place("east", (("az", "a1"), ("node", "n1"))))
    assert [(one.key, one.value, one.weight) for one in found.affinity] == [("node", "n1", 900), ("az", "a1", 9)]
    assert found.weighted
    weighted = {"localityAwareness": {"localZone": {"affinityTags": [{"key": "az", "weight": 5}]}}}
    assert [one.weight for one in localities(weighted, Place("east", (("az", "a1"),))).affinity] == [5]
    many = {"localityAwareness": {"localZone": {"affinityTags": [{"key": f"t{n}"} for n in range(40)]}}}
    own = Place("east", tuple((f"t{n}", "x") for n in range(40)))
    assert sum(one.weight for one in localities(many, own).affinity) < 2**32
    assert asked_tags([strategy(**conf)]) == {"node", "rack", "az"}
    assert asked_tags([strategy(loadBalancer={"type": "Random"})]) == frozenset()


def test_only_what_passes_egresses_sees_other_zones_as_one() -> None:
    conf = cross({"to": {"type": "Any"}})
    tag = balanced(by_egress=True, **conf).clusters[0].localities
    assert tag.merged.startswith("egress_") and len(tag.merged) == len("egress_") + 8
    other = balanced(by_egress=True, **cross({"to": {"type": "Only", "zones": ["west"]}})).clusters[0].localities
    assert tag.merged != other.merged
    assert balanced(**conf).clusters[0].localities.merged == ""


def test_to_fail_in_panic_is_more_than_weights_of_localities() -> None:
    (cluster,) = balanced(localityAwareness={"localZone": {"affinityTags": [{"key": "az"}]}}).clusters
    assert as_json(cluster)["commonLbConfig"] == {"localityWeightedLbConfig": {}}
    cluster.fail_traffic_on_panic = False
    assert as_json(cluster)["commonLbConfig"] == {"localityWeightedLbConfig": {}}
    cluster.fail_traffic_on_panic = True
    assert as_json(cluster)["commonLbConfig"] == {"zoneAwareLbConfig": {"failTrafficOnPanic": True}}
