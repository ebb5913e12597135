"""The targetRef policies that select a proxy, by kind, in the order in which their effects are applied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ursa.model.kind import Kind, Registry
from ursa.policies.core.matching import Matched, match_policies
from ursa.policies.core.policy import Policy, parse_policy
from ursa.policies.core.precedence import by_precedence
from ursa.policies.core.subject import Subject
from ursa.view.view import View

HTTP_ROUTE, TCP_ROUTE = "MeshHTTPRoute", "MeshTCPRoute"
ORDER = (
    HTTP_ROUTE,
    TCP_ROUTE,
    "MeshTLS",
    "MeshLoadBalancingStrategy",
    "MeshPassthrough",
    "MeshAccessLog",
    "MeshTrace",
    "MeshFaultInjection",
    "MeshRateLimit",
    "MeshTimeout",
    "MeshTrafficPermission",
    "MeshHealthCheck",
    "MeshCircuitBreaker",
    "MeshRetry",
    "MeshMetric",
    "MeshProxyPatch",
)
"""Kuma's order of plugins (`spec/policies-targetref.md`)."""


@dataclass(frozen=True, slots=True)
class KindMatch:
    """The policies of one kind that select a proxy, weakest first."""

    kind: Kind
    matched: Matched

    @property
    def policies(self) -> tuple[Policy, ...]:
        """All of them."""
        return tuple(policy for policy, _ in self.matched.entries)


def matches(view: View, registry: Registry, subject: Subject) -> Iterator[KindMatch]:
    """Kinds of which some policy selects the proxy."""
    routes = http_routes(view, registry, subject.mesh)
    for name in ORDER:
        if name not in registry:
            continue
        kind = registry[name]
        policies = [parse_policy(r, kind) for r in view.list(name, subject.mesh)]
        matched = match_policies(by_precedence(policies), subject, routes)
        if matched.entries:
            yield KindMatch(kind, matched)


def http_routes(view: View, registry: Registry, mesh: str) -> Sequence[Policy]:
    """The MeshHTTPRoutes of a mesh."""
    kind = registry[HTTP_ROUTE]
    return [parse_policy(route, kind) for route in view.list(HTTP_ROUTE, mesh)]
