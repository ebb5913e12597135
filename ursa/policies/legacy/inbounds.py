"""What source/destination policies do to the inbounds of sidecars, and to external services on egresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ursa.ir.listener import FilterChain, Listener
from ursa.policies.legacy import fault_injection, rate_limit, traffic_permission
from ursa.policies.legacy.matching import ConnectionPolicy, Tags, all_for_inbound, for_inbound
from ursa.policies.legacy.places import Policies

INBOUND_KINDS = (traffic_permission.KIND, fault_injection.KIND, rate_limit.KIND)


@dataclass(frozen=True, slots=True)
class InboundPolicies:
    """What counts on an inbound or for an external service: the permission that fits best, and all others that fit."""

    permission: ConnectionPolicy | None = None
    faults: tuple[ConnectionPolicy, ...] = ()
    rate_limits: tuple[ConnectionPolicy, ...] = ()


def inbound_policies(policies: Policies, tags: Tags) -> InboundPolicies:
    """The policies for an inbound, or an external service, with these tags."""
    return InboundPolicies(
        for_inbound(policies.get(traffic_permission.KIND, ()), tags),
        all_for_inbound(policies.get(fault_injection.KIND, ()), tags),
        all_for_inbound(policies.get(rate_limit.KIND, ()), tags),
    )


def adjust_inbound(listener: Listener, policies: InboundPolicies, mesh: str) -> None:
    """Applies the policies to an inbound that no other policy has touched yet."""
    if policies.permission is not None:
        traffic_permission.permit(listener, policies.permission, mesh)
    _disturb(listener.chains, policies)


def adjust_external(chain: FilterChain, name: str, policies: InboundPolicies, mesh: str) -> None:
    """Applies the policies to the way to an ExternalService on an egress, open to nobody without a permission.

    Args:
        chain: that no other policy has touched yet.
        name: of the service, for statistics.
        policies: that count for the service.
        mesh: name of the mesh.
    """
    traffic_permission.guard(chain, name, policies.permission, mesh)
    _disturb((chain,), policies)


def _disturb(chains: Sequence[FilterChain], policies: InboundPolicies) -> None:
    fault_injection.inject_faults(chains, policies.faults)
    rate_limit.limit_requests(chains, policies.rate_limits)
