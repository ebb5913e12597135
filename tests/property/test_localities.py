"""Whatever a strategy says of localities, what it may not do holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ursa.ir.cluster import Endpoint
from ursa.policies.core.place import Place
from ursa.policies.mesh_load_balancing_strategy.localities import localities
from ursa.topology.localities import arranged

ZONES = ("east", "west", "north", "south")

zones = st.lists(st.sampled_from(ZONES), min_size=1, max_size=3, unique=True)
targets = st.one_of(
    st.fixed_dictionaries({"type": st.sampled_from(["Any", "None"])}),
    st.fixed_dictionaries({"type": st.sampled_from(["Only", "AnyExcept"]), "zones": zones}),
)
rules = st.fixed_dictionaries({"to": targets}, optional={"from": st.fixed_dictionaries({"zones": zones})})
confs = st.fixed_dictionaries(
    {},
    optional={
        "disabled": st.booleans(),
        "localZone": st.fixed_dictionaries({"affinityTags": st.just([{"key": "az"}])}),
        "crossZone": st.fixed_dictionaries({"failover": st.lists(rules, max_size=4)}),
    },
)
endpoints = st.lists(
    st.builds(
        Endpoint,
        address=st.integers(1, 250).map("10.0.0.{}".format),
        port=st.just(80),
        tags=st.sampled_from([{}, {"az": "a"}, {"az": "b"}]),
        zone=st.sampled_from([*ZONES, None]),
    ),
    unique_by=lambda e: e.address,
    max_size=12,
)


@given(confs, endpoints, st.booleans())
def test_nothing_without_a_zone_is_lost_and_the_own_zone_comes_first(conf: dict, given_: list, by_egress: bool) -> None:
    found = arranged(
        given_, localities({"localityAwareness": conf}, Place("east", (("az", "a"),)), by_egress=by_egress)
    )
    addresses = {endpoint.address for endpoint in found}
    assert {e.address for e in given_ if e.zone in ("east", None)} <= addresses
    assert all(e.priority == 0 for e in found if e.zone == "east")
    # Envoy gives nothing to a locality without a weight where localities are weighed.
    weights = {e.locality_weight is not None for e in found}
    assert len(weights) <= 1


@given(confs, endpoints, st.data())
def test_a_zone_that_nobody_sees_helps_out_after_all_that_are_seen(
    conf: dict, given_: list, data: st.DataObject
) -> None:
    lapsed = data.draw(st.sampled_from(ZONES[1:]))
    marked = [
        Endpoint(e.address, e.port, tags=e.tags, zone=e.zone, lapsed=e.zone == lapsed)
        for e in given_
        if e.zone is not None
    ]
    found = arranged(marked, localities({"localityAwareness": conf}, Place("east")))
    seen = [e.priority for e in found if not e.lapsed]
    assert all(e.priority > max(seen, default=-1) for e in found if e.lapsed)
