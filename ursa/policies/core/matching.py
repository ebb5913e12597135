"""The policies of one kind that select a proxy, and what follows for its inbounds and its destinations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ursa.policies.core.entries import service_entries
from ursa.policies.core.policy import Effective, Policy, effective_items
from ursa.policies.core.precedence import destination_order
from ursa.policies.core.selection import Selection, select
from ursa.policies.core.subject import Subject
from ursa.policies.core.subsets import SubsetRules, compile_subsets
from ursa.policies.core.target_ref import MESH


@dataclass(frozen=True, slots=True)
class Matched:
    """Policies of one kind with the part of the proxy each selects, weakest first."""

    entries: tuple[tuple[Policy, Selection], ...] = ()

    @property
    def policies(self) -> tuple[Policy, ...]:
        """All policies that select the proxy or a part of it."""
        return tuple(policy for policy, _ in self.entries)

    def on_inbound(self, position: int) -> tuple[Policy, ...]:
        """The policies that select the inbound at this position of the Dataplane."""
        return tuple(policy for policy, selection in self.entries if position in selection.inbounds)

    def on_listener(self, position: int) -> tuple[Policy, ...]:
        """The policies that select the gateway listener at this position of the subject."""
        return tuple(policy for policy, selection in self.entries if position in selection.listeners)

    @property
    def outbound(self) -> tuple[Policy, ...]:
        """The policies that say something about destinations."""
        return tuple(policy for policy, _ in self.entries if policy.to_items)


def match_policies(
    policies: Iterable[Policy], subject: Subject, routes: Sequence[Policy] = (), *, shadow: bool = False
) -> Matched:
    """Which policies select the proxy.

    Args:
        policies: of one kind, in ascending strength (`by_precedence`).
        subject: the proxy.
        routes: MeshHTTPRoutes of the mesh, for policies attached to one.
        shadow: whether policies with the shadow effect count.
    """
    entries = []
    for policy in policies:
        selection = select(policy, subject, routes=routes, shadow=shadow)
        if selection is not None:
            entries.append((policy, selection))
    return Matched(tuple(entries))


def inbound_conf(policies: Iterable[Policy]) -> Effective | None:
    """The merged conf for an inbound, whoever the client is; policies in ascending strength."""
    return effective_items((policy, item) for policy in policies for item in policy.inbound_items)


def mesh_conf(policies: Iterable[Policy]) -> Effective | None:
    """The merged conf for all destinations of the mesh; policies in any order."""
    return effective_items(entry for entry in destination_order(policies) if entry[1].target.kind == MESH)


def destination_rules(policies: tuple[Policy, ...], routes: Sequence[Policy] = ()) -> SubsetRules:
    """The rules for destinations known by tags; policies in ascending strength."""
    return compile_subsets(service_entries(policies, routes), negations=False)
