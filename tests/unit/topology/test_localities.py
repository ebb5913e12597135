"""Which localities of a service a client uses first, and which never."""

from __future__ import annotations

import pytest

from ursa.envoy.endpoints import assignment
from ursa.ir.cluster import Endpoint, LoadAssignment
from ursa.ir.localities import Affinity, Failover, Localities
from ursa.topology.localities import arranged

NODE = {"k8s.io/node": "n1"}
HERE = (
    Endpoint("10.0.0.1", 80, tags=NODE, zone="east"),
    Endpoint("10.0.0.2", 80, tags={"k8s.io/node": "n2"}, zone="east"),
)
WEST, NORTH, SOUTH = (Endpoint(f"10.{n}.0.1", 80, zone=z) for n, z in enumerate(("west", "north", "south"), 1))
LAPSED = Endpoint("10.4.0.1", 80, zone="west", lapsed=True)
NOWHERE = Endpoint("10.5.0.1", 80)
ALL = (*HERE, WEST, NORTH, SOUTH, LAPSED, NOWHERE)

WEST_FIRST = (Failover(1, frozenset({"west"})), Failover(3, frozenset({"south"}), all_but=True))


def priorities(localities: Localities) -> dict[str, int]:
    return {endpoint.address: endpoint.priority for endpoint in arranged(ALL, localities)}


def test_other_zones_come_after_the_clients_own_unless_zones_do_not_count() -> None:
    assert priorities(Localities("east")) == {
        **dict.fromkeys(("10.0.0.1", "10.0.0.2", "10.5.0.1"), 0),
        **dict.fromkeys(("10.1.0.1", "10.2.0.1", "10.3.0.1"), 1),
        "10.4.0.1": 2,
    }
    alike = priorities(Localities())
    assert alike.pop("10.4.0.1") == 1, "a zone that nobody sees comes last, whatever is said of zones"
    assert set(alike.values()) == {0}


def test_zones_follow_in_the_order_of_the_steps_and_others_get_nothing() -> None:
    assert priorities(Localities("east", ordered=True, failover=WEST_FIRST)) == {
        **dict.fromkeys(("10.0.0.1", "10.0.0.2"), 0),
        "10.1.0.1": 1,
        "10.2.0.1": 3,
        **dict.fromkeys(("10.4.0.1", "10.5.0.1"), 4),
    }


def test_without_steps_traffic_stays_in_the_zone_but_nothing_without_a_zone_is_lost() -> None:
    assert priorities(Localities("east", ordered=True)) == {"10.0.0.1": 0, "10.0.0.2": 0, "10.5.0.1": 1}


def test_instances_near_the_client_get_a_locality_of_their_own() -> None:
    affinity = (Affinity("k8s.io/node", "n1", 90), Affinity("k8s.io/node", "n2", 9))
    found = arranged((*HERE, WEST), Localities("east", ordered=True, affinity=affinity, failover=WEST_FIRST))
    assert [(e.sub_zone, e.locality_weight, e.priority) for e in found] == [
        ("k8s.io/node=n1", 90, 0),
        ("k8s.io/node=n2", 9, 0),
        ("", 1, 1),
    ]
    groups = assignment(LoadAssignment("web", found, 200))
    assert groups["policy"] == {"overprovisioning_factor": {"value": 200}}
    assert [group["locality"] for group in groups["endpoints"]] == [
        {"zone": "east", "sub_zone": "k8s.io/node=n1"},
        {"zone": "east", "sub_zone": "k8s.io/node=n2"},
        {"zone": "west", "sub_zone": ""},
    ]


def test_zones_behind_an_egress_are_one_locality() -> None:
    found = arranged(ALL, Localities("east", ordered=True, failover=WEST_FIRST, merged="egress_1"))
    assert {(e.zone, e.priority) for e in found if e.zone not in ("east", None)} == {("egress_1", 1), ("egress_1", 2)}
    assert "10.3.0.1" not in {e.address for e in found}, "a zone of no step is not asked for"


@pytest.mark.parametrize(
    ("step", "covered"), [(Failover(1, frozenset({"west"})), True), (Failover(1, all_but=True), True)]
)
def test_a_step_names_zones_or_leaves_some_out(step: Failover, covered: bool) -> None:
    assert step.covers("west") is covered
    assert Failover(1, step.zones, not step.all_but).covers("west") is not covered
