"""MeshTLS: whether inbounds insist on mesh TLS, and which versions and ciphers both ends speak (`spec` §3.15)."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import replace

from ursa.ir.cluster import Cluster
from ursa.ir.listener import FilterChain, Listener, NetworkFilter, NetworkRbac, permissive_chains
from ursa.ir.tls import DownstreamTls, TlsParams
from ursa.policies.core.matching import inbound_conf
from ursa.policies.core.policy import Policy
from ursa.policies.plugin import InboundTarget, PolicyPlugin

KIND = "MeshTLS"
_VERSIONS = {"TLSAuto": "TLS_AUTO", "TLS10": "TLSv1_0", "TLS11": "TLSv1_1", "TLS12": "TLSv1_2", "TLS13": "TLSv1_3"}


class MeshTLSPlugin(PolicyPlugin):
    """Rebuilds the filter chains of inbounds in meshes with mTLS."""

    kind = KIND

    def inbound(self, target: InboundTarget, policies: tuple[Policy, ...]) -> None:
        secured = next((chain for chain in target.listener.chains if chain.tls is not None), None)
        if secured is None or secured.tls is None:
            return
        tls = replace(secured.tls, params=tls_params(policies))
        if is_permissive(policies, by_default=len(target.listener.chains) > 1):
            _permit_plaintext(target.listener, secured, tls)
        else:
            target.listener.chains = [FilterChain(secured.filters, tls=tls)]
            target.listener.tls_inspector = False


def is_permissive(policies: Iterable[Policy], *, by_default: bool) -> bool:
    """Whether an inbound that these policies select takes clients without mesh TLS, too."""
    found = inbound_conf(policies)
    mode = None if found is None else found.conf.get("mode")
    return by_default if mode is None else mode == "Permissive"


def tls_params(policies: Iterable[Policy]) -> TlsParams | None:
    """Versions and ciphers, the same for both ends because they can only be said for the whole mesh."""
    found = inbound_conf(policies)
    if found is None or not ("tlsVersion" in found.conf or "tlsCiphers" in found.conf):
        return None
    version = found.conf.get("tlsVersion") or {}
    lowest, highest = (_VERSIONS[version.get(name) or "TLSAuto"] for name in ("min", "max"))
    return TlsParams(lowest, highest, tuple(found.conf.get("tlsCiphers") or ()))


def restrict_clients(clusters: Iterable[Cluster], params: TlsParams | None) -> None:
    """Has the client side of mesh TLS speak the same as the servers."""
    for cluster in clusters:
        if cluster.tls is not None:
            cluster.tls = replace(cluster.tls, params=params)


def _permit_plaintext(listener: Listener, secured: FilterChain, tls: DownstreamTls) -> None:
    def plain() -> FilterChain:
        # Nobody has an identity without mesh TLS, so permissions cannot count there.
        filters: list[NetworkFilter] = [f for f in secured.filters if not isinstance(f, NetworkRbac)]
        return FilterChain(deepcopy(filters))

    listener.chains = permissive_chains(plain(), plain(), FilterChain(secured.filters, tls=tls))
    listener.tls_inspector = True
