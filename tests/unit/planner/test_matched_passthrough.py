"""Which destinations outside of the mesh redirected connections reach."""

from __future__ import annotations

from typing import Any

from envoy.config.listener.v3.listener_pb2 import Listener as ListenerMessage
from google.protobuf.json_format import MessageToDict

from tests.unit.policies.building import REGISTRY, mesh, policy
from ursa.envoy.listeners import listener_bytes
from ursa.ir.listener import FilterChain, HttpConnectionManager, Listener
from ursa.ir.plan import ProxyPlan
from ursa.model.dataplane import parse_dataplane
from ursa.model.forms import from_rest
from ursa.planner.inputs import InboundInputs, ProxyFacts, Redirection, Settings
from ursa.planner.transparent import plan_passthrough
from ursa.policies.core.policy import Policy

IPV4, IPV6 = "outbound:passthrough:ipv4", "outbound:passthrough:ipv6"


def matched(*matches: dict[str, Any]) -> Policy:
    return policy("MeshPassthrough", default={"passthroughMode": "Matched", "appendMatch": list(matches)})


def domain(value: str, protocol: str = "tls", **more: Any) -> dict[str, Any]:
    return {"type": "Domain", "value": value, "protocol": protocol, **more}


def ip(value: str, protocol: str = "tcp", **more: Any) -> dict[str, Any]:
    return {"type": "CIDR" if "/" in value else "IP", "value": value, "protocol": protocol, **more}


def planned(*policies: Policy, passthrough: bool = True) -> ProxyPlan:
    of = mesh(networking={"outbound": {"passthrough": passthrough}})
    document = {"type": "Dataplane", "mesh": "default", "name": "web-1", "networking": {"address": "10.0.0.1"}}
    dataplane = parse_dataplane(from_rest(document, REGISTRY))
    redirection = Redirection(15006, 15001, dns=False, ipv6=True)
    plan = ProxyPlan()
    inputs = InboundInputs(Settings(), of, dataplane, ProxyFacts("web-1"), redirection, (), (), passthrough=policies)
    plan_passthrough(plan, inputs)
    return plan


def names(plan: ProxyPlan, listener: str = IPV4) -> list[str]:
    return [chain.name for chain in plan.listeners[listener].chains]


def manager(chain: FilterChain) -> HttpConnectionManager:
    assert chain.http is not None
    return chain.http


def message(listener: Listener) -> dict[str, Any]:
    return MessageToDict(ListenerMessage.FromString(listener_bytes(listener)))


def test_a_mode_overrules_the_mesh() -> None:
    nothing = policy("MeshPassthrough", default={"passthroughMode": "None"})
    everything = policy("MeshPassthrough", default={"passthroughMode": "All"})
    assert IPV4 in planned().clusters
    assert IPV4 not in planned(passthrough=False).clusters
    assert IPV4 not in planned(nothing).clusters
    assert IPV4 in planned(everything, passthrough=False).clusters
    assert IPV4 in planned(nothing, everything).clusters


def test_without_a_mode_only_matches_pass_and_those_of_all_policies() -> None:
    one, other = (policy("MeshPassthrough", default={"appendMatch": [domain(f"{n}.com", port=443)]}) for n in "ab")
    plan = planned(one, other)
    assert names(plan) == ["meshpassthrough_tls_a.com_443", "meshpassthrough_tls_b.com_443"]
    assert IPV4 not in plan.clusters
    assert set(names(plan)) <= plan.clusters.keys()


def test_addresses_belong_to_one_family_and_names_to_both() -> None:
    plan = planned(matched(ip("10.0.0.9", port=1), ip("fd00::/8", port=1), domain("a.com", port=443)))
    assert names(plan) == ["meshpassthrough_tls_a.com_443", "meshpassthrough_tcp_10.0.0.9_1"]
    assert names(plan, IPV6) == ["meshpassthrough_tls_a.com_443", "meshpassthrough_tcp_fd00::/8_1"]


def test_the_more_exact_comes_first() -> None:
    given = [ip("10.0.0.0/8"), ip("10.1.0.0/16"), ip("10.1.1.1"), domain("*.a.com"), domain("b.a.com")]
    assert names(planned(matched(*given))) == [
        "meshpassthrough_tls_b.a.com_*",
        "meshpassthrough_tls_*.a.com_*",
        "meshpassthrough_tcp_10.1.1.1_*",
        "meshpassthrough_tcp_10.1.0.0/16_*",
        "meshpassthrough_tcp_10.0.0.0/8_*",
    ]


def test_a_match_without_a_port_counts_at_ports_of_others_too() -> None:
    plan = planned(matched(ip("10.0.0.9"), domain("a.com", port=443)))
    assert names(plan)[1:] == ["meshpassthrough_tcp_10.0.0.9_443", "meshpassthrough_tcp_10.0.0.9_*"]


def test_domains_whose_requests_are_read_share_a_chain_and_others_are_told_so() -> None:
    plan = planned(matched(domain("a.com", "http", port=80), domain("*.b.com", "http", port=80)))
    (chain,) = plan.listeners[IPV4].chains
    assert chain.name == "meshpassthrough_http_80"
    hosts = manager(chain).route_config.virtual_hosts
    assert [(host.name, host.domains) for host in hosts] == [
        ("a.com", ("a.com", "a.com:80")),
        ("*.b.com", ("*.b.com", "*.b.com:80")),
        ("no_match", ("*",)),
    ]


def test_every_port_has_its_domains_and_its_wildcards() -> None:
    given = [domain(value, "http", port=port) for port in (80, 81) for value in ("a.com", "*.b.com")]
    chains = planned(matched(*given)).listeners[IPV4].chains
    assert [chain.name for chain in chains] == ["meshpassthrough_http_81", "meshpassthrough_http_80"]
    hosts = [[host.name for host in manager(chain).route_config.virtual_hosts] for chain in chains]
    assert hosts == [["a.com", "*.b.com", "no_match"]] * 2


def test_two_chains_are_never_for_the_same_connections() -> None:
    plan = planned(matched(ip("10.0.0.9", "mysql", port=3306), ip("10.0.0.9", "tcp", port=3306)))
    assert len(plan.listeners[IPV4].chains) == 1


def test_http2_is_spoken_to_servers_that_speak_it() -> None:
    plan = planned(matched(domain("a.com", "grpc", port=80), domain("b.com", "http", port=81)))
    versions = [plan.clusters[f"meshpassthrough_{name}"].http for name in ("grpc_a.com_80", "http_b.com_81")]
    assert [options and options.version for options in versions] == [2, None]


def test_policies_that_read_one_port_differently_do_not_spoil_the_listener() -> None:
    one, other = matched(domain("a.com", "grpc", port=80)), matched(domain("b.com", "http", port=80))
    assert names(planned(one, other)) == ["meshpassthrough_http_80"]


def test_what_servers_say_first_is_not_waited_for() -> None:
    plan = planned(matched(ip("10.0.0.9", "mysql", port=3306), domain("a.com", port=443)))
    found = message(plan.listeners[IPV4])
    filters = {f["name"].rpartition(".")[2]: f.get("filterDisabled") for f in found["listenerFilters"]}
    silent = {"destinationPortRange": {"start": 3306, "end": 3307}}
    assert filters == {"original_dst": None, "tls_inspector": silent, "http_inspector": silent}
    matches = [chain["filterChainMatch"] for chain in found["filterChains"]]
    assert matches[0] == {
        "destinationPort": 3306,
        "prefixRanges": [{"addressPrefix": "10.0.0.9", "prefixLen": 32}],
        "transportProtocol": "raw_buffer",
    }
