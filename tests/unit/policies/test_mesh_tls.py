"""Filter chains of inbounds, with and without insisting on mesh TLS."""

from __future__ import annotations

from tests.unit.policies.building import inbound, policy
from ursa.ir.listener import ChainMatch, FilterChain, NetworkRbac
from ursa.ir.rbac import PrincipalRules, Rbac
from ursa.ir.tls import DownstreamTls, TlsParams
from ursa.policies.core.policy import Policy
from ursa.policies.mesh_tls.effect import MeshTLSPlugin, is_permissive, tls_params
from ursa.policies.plugin import InboundTarget

TLS = DownstreamTls("identity_cert:secret:default")
PERMISSIVE = {"mode": "Permissive"}
STRICT = {"mode": "Strict"}


def of(**conf: object) -> Policy:
    return policy("MeshTLS", rules=[{"default": conf}])


def secured(*confs: dict[str, object]) -> InboundTarget:
    """A TCP inbound of a strict mesh, after MeshTLS."""
    target = inbound("tcp")
    (chain,) = target.listener.chains
    chain.tls = TLS
    chain.filters.insert(0, NetworkRbac("x.", Rbac(PrincipalRules())))
    MeshTLSPlugin().inbound(target, tuple(of(**conf) for conf in confs))
    return target


def test_permissive_inbounds_tell_three_sorts_of_clients_apart() -> None:
    listener = secured(PERMISSIVE).listener
    assert listener.tls_inspector
    assert [(chain.match, chain.tls) for chain in listener.chains] == [
        (ChainMatch("raw_buffer"), None),
        (ChainMatch("tls"), None),
        (ChainMatch("tls", ("kuma",)), TLS),
    ]


def test_permissions_count_only_for_clients_with_an_identity() -> None:
    chains = secured(PERMISSIVE).listener.chains
    assert [any(isinstance(f, NetworkRbac) for f in chain.filters) for chain in chains] == [False, False, True]


def test_chains_do_not_share_what_later_policies_change() -> None:
    proxies = [chain.tcp for chain in secured(PERMISSIVE).listener.chains]
    assert len({id(proxy) for proxy in proxies}) == 3
    assert proxies[0] == proxies[1] == proxies[2]


def test_the_stronger_policy_may_insist_again() -> None:
    target = secured(PERMISSIVE, STRICT)
    assert [(chain.match, chain.tls) for chain in target.listener.chains] == [(None, TLS)]
    assert not target.listener.tls_inspector


def test_strictness_takes_the_other_chains_of_a_permissive_mesh_away() -> None:
    target = secured(PERMISSIVE)
    MeshTLSPlugin().inbound(target, (of(**STRICT),))
    assert [(chain.match, chain.tls) for chain in target.listener.chains] == [(None, TLS)]


def test_without_a_mode_it_is_as_the_mesh_says() -> None:
    assert is_permissive([of(tlsCiphers=[])], by_default=True)
    assert not is_permissive([], by_default=False)


def test_versions_and_ciphers_are_merged_and_spelled_as_envoy_does() -> None:
    ciphers = ["ECDHE-RSA-AES256-GCM-SHA384"]
    both = [of(tlsVersion={"min": "TLS12"}), of(tlsCiphers=ciphers)]
    assert tls_params(both) == TlsParams("TLSv1_2", "TLS_AUTO", tuple(ciphers))
    assert tls_params([of(**STRICT)]) is None


def test_without_mtls_nothing_changes() -> None:
    target = inbound("tcp")
    before = list(target.listener.chains)
    MeshTLSPlugin().inbound(target, (of(**PERMISSIVE),))
    assert target.listener.chains == before
    assert all(isinstance(chain, FilterChain) and chain.tls is None for chain in before)
