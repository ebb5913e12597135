"""FaultInjection: the proxy of the destination makes faults for requests of some sources (`spec` §3.5)."""

from __future__ import annotations

from collections.abc import Iterable

from ursa.ir.listener import FilterChain, HttpFault
from ursa.model.duration import parse_proto
from ursa.policies.core.faults import fault
from ursa.policies.core.source_tags import from_one_of
from ursa.policies.legacy.matching import ConnectionPolicy

KIND = "FaultInjection"


def inject_faults(chains: Iterable[FilterChain], policies: Iterable[ConnectionPolicy]) -> None:
    """Adds a filter per policy; all of them count."""
    filters = [
        HttpFault(fault(policy.resource.spec.get("conf", {}), parse_proto, (from_one_of(policy.sources),)))
        for policy in policies
    ]
    for chain in chains:
        if (manager := chain.http) is not None:
            manager.before_router(*filters)
