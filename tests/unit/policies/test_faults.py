"""Faults on inbounds, of both generations."""

from __future__ import annotations

from tests.unit.policies.building import connection_policy, filters_of, inbound, policy
from ursa.ir.faults import Abort, Delay, Fault, SlowResponse
from ursa.ir.fractions import Fraction
from ursa.ir.listener import HttpFault, Router
from ursa.ir.routes import HeaderMatcher
from ursa.ir.tls import SanMatcher
from ursa.policies.core.policy import Policy
from ursa.policies.legacy.fault_injection import inject_faults
from ursa.policies.mesh_fault_injection.effect import MeshFaultInjectionPlugin, faults

ABORT = {"abort": {"httpStatus": 500, "percentage": 100}}
OTHER = {"abort": {"httpStatus": 418, "percentage": 100}}
MS = 1_000_000


def aborts(filters: list[HttpFault]) -> list[tuple[int, list[bool]]]:
    """Status of every fault, and which of its conditions are inverted."""
    return [(f.fault.abort.status, [h.inverted for h in f.fault.headers]) for f in filters if f.fault.abort]


def from_items(*items: tuple[dict[str, str], object]) -> Policy:
    entries = [
        {"targetRef": {"kind": "MeshSubset", "tags": t} if t else {"kind": "Mesh"}, "default": {"http": [conf]}}
        for t, conf in items
    ]
    return policy("MeshFaultInjection", **{"from": entries})


def test_every_fault_is_a_filter_of_its_own_in_front_of_the_router() -> None:
    conf = {
        "http": [
            ABORT,
            {"delay": {"value": "250ms", "percentage": "12.5"}},
            {"responseBandwidth": {"limit": "50 Mbps", "percentage": 1}},
        ]
    }
    target = inbound()
    rules = policy("MeshFaultInjection", **{"from": [{"targetRef": {"kind": "Mesh"}, "default": conf}]})
    MeshFaultInjectionPlugin().inbound(target, (rules,))
    assert filters_of(target) == [
        HttpFault(Fault(abort=Abort(500, Fraction(100)))),
        HttpFault(Fault(delay=Delay(250 * MS, Fraction(1250, "TEN_THOUSAND")))),
        HttpFault(Fault(slow_response=SlowResponse(50_000, Fraction(1)))),
        Router(),
    ]


def test_the_later_item_decides_for_clients_that_both_mean() -> None:
    web = {"kuma.io/service": "web"}
    everybody = list(faults([from_items((web, ABORT), ({}, OTHER))]))
    assert {status for status, _ in aborts(everybody)} == {418}
    told_apart = list(faults([from_items(({}, OTHER), (web, ABORT))]))
    assert aborts(told_apart) == [(500, [False]), (418, [True])]


def test_clients_without_any_of_several_tags_lack_each_of_them() -> None:
    found = list(faults([from_items(({}, OTHER), ({"team": "a"}, ABORT), ({"zone": "b"}, ABORT))]))
    assert (418, [True, True]) in aborts(found)


def test_certificates_tell_clients_apart_in_rules_and_silence_from() -> None:
    matches = [{"spiffeID": {"type": "Prefix", "value": "spiffe://default/web"}}]
    for_web = policy("MeshFaultInjection", rules=[{"matches": matches, "default": {"http": [ABORT]}}])
    for_all = policy("MeshFaultInjection", rules=[{"default": {"http": [OTHER]}}])
    found = list(faults([for_all, for_web, from_items(({}, ABORT))]))
    assert [(f.policy, f.sans) for f in found] == [
        (for_all.kri, ()),
        (for_web.kri, (SanMatcher("spiffe://default/web", prefix=True),)),
    ]


def test_older_faults_come_together_and_switch_the_newer_off() -> None:
    conf = {**ABORT, "delay": {"value": "1s", "percentage": 1}}
    target = inbound()
    inject_faults(target.listener.chains, [connection_policy("FaultInjection", conf, {"kuma.io/service": "web"})])
    MeshFaultInjectionPlugin().inbound(target, (from_items(({}, OTHER)),))
    fault, router = filters_of(target)
    assert router == Router()
    assert isinstance(fault, HttpFault)
    assert (fault.fault.abort, fault.fault.delay) == (Abort(500, Fraction(100)), Delay(1000 * MS, Fraction(1)))
    regex = ".*&kuma.io/service=[^&]*web[,&].*"
    assert fault.fault.headers == (HeaderMatcher("x-kuma-tags", "regex", regex),)


def test_a_bandwidth_that_nobody_can_read_takes_only_itself_away() -> None:
    conf = {**ABORT, "responseBandwidth": {"limit": "about 5 kbps", "percentage": 1}}
    target = inbound()
    inject_faults(target.listener.chains, [connection_policy("FaultInjection", conf)])
    fault, _ = filters_of(target)
    assert isinstance(fault, HttpFault)
    assert fault.fault.abort is not None
    assert fault.fault.slow_response is None


def test_connections_without_http_are_left_alone() -> None:
    target = inbound("tcp")
    MeshFaultInjectionPlugin().inbound(target, (from_items(({}, ABORT)),))
    assert len(target.listener.chains[0].filters) == 1
