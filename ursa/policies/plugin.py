"""How a policy turns into proxy configuration: it adjusts the plan that the generators made.

A plugin gets the part of the plan it may touch and the policies or rules that count there; it reads nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ursa.ir.cluster import Cluster
from ursa.ir.listener import Listener
from ursa.model.json import JsonObject
from ursa.policies.core.policy import Policy
from ursa.policies.core.subject import pairs
from ursa.policies.core.subsets import SubsetRules


@dataclass(frozen=True, slots=True)
class InboundTarget:
    """One inbound: its listener, the cluster of the workload behind it, and the mesh it belongs to."""

    listener: Listener
    cluster: Cluster
    protocol: str
    mesh: str


@dataclass(frozen=True, slots=True)
class OutboundTarget:
    """One outbound: its listener, the clusters its routes lead to, and the destination's tags."""

    listener: Listener
    clusters: tuple[Cluster, ...]
    protocol: str
    tags: Mapping[str, str]


class PolicyPlugin:
    """A policy without effect; plugins override what they have one on. `kind` is the policy's type name."""

    kind = ""

    def inbound(self, target: InboundTarget, policies: tuple[Policy, ...]) -> None:
        """Adjusts an inbound; `policies` select it, in ascending strength, and may be none."""

    def outbound(self, target: OutboundTarget, rules: SubsetRules) -> None:
        """Adjusts an outbound by the rules for destinations, which may be empty."""


def conf_for(rules: SubsetRules, tags: Mapping[str, str]) -> JsonObject | None:
    """The effective conf for a destination with these tags, None when no policy speaks about it."""
    found = rules.lookup(pairs(tags))
    return None if found is None else found.conf
