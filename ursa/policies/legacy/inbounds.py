"""What source/destination policies do to the inbounds of sidecars."""

from __future__ import annotations

from dataclasses import dataclass

from ursa.ir.listener import Listener
from ursa.policies.legacy import fault_injection, rate_limit, traffic_permission
from ursa.policies.legacy.matching import ConnectionPolicy, Tags, all_for_inbound, for_inbound
from ursa.policies.legacy.places import Policies

INBOUND_KINDS = (traffic_permission.KIND, fault_injection.KIND, rate_limit.KIND)


@dataclass(frozen=True, slots=True)
class InboundPolicies:
    """The policies that count on one inbound: the permission that fits best, and all others that fit."""

    permission: ConnectionPolicy | None = None
    faults: tuple[ConnectionPolicy, ...] = ()
    rate_limits: tuple[ConnectionPolicy, ...] = ()


def inbound_policies(policies: Policies, tags: Tags) -> InboundPolicies:
    """The policies for an inbound with these tags."""
    return InboundPolicies(
        for_inbound(policies.get(traffic_permission.KIND, ()), tags),
        all_for_inbound(policies.get(fault_injection.KIND, ()), tags),
        all_for_inbound(policies.get(rate_limit.KIND, ()), tags),
    )


def adjust_inbound(listener: Listener, policies: InboundPolicies, mesh: str) -> None:
    """Applies the policies to an inbound that no other policy has touched yet."""
    if policies.permission is not None:
        traffic_permission.permit(listener, policies.permission, mesh)
    fault_injection.inject_faults(listener, policies.faults)
    rate_limit.limit_requests(listener, policies.rate_limits)
