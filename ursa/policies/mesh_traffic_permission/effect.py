"""MeshTrafficPermission: RBAC on every filter chain that terminates mesh TLS (`spec` §3.1).

Without any permission nobody is let in. `from` items become one allow list; as soon as a `rules` policy selects an
inbound, `from` policies are ignored there and the rules become an ordered list of matchers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ursa.ir.listener import FilterChain, HttpRbac, NetworkRbac
from ursa.ir.naming import stat_safe
from ursa.ir.rbac import (
    AllPrincipals,
    AnyPrincipal,
    MatcherRule,
    MatcherRules,
    NamedPrincipal,
    NotPrincipal,
    Principal,
    PrincipalRules,
    Rbac,
)
from ursa.ir.tls import SanMatcher
from ursa.model.json import JsonObject
from ursa.policies.core.entries import client_entries
from ursa.policies.core.policy import Policy
from ursa.policies.core.subsets import SubsetRule, SubsetRules, Tag, compile_subsets
from ursa.policies.core.target_ref import SERVICE_TAG
from ursa.policies.plugin import EgressTarget, InboundTarget, PolicyPlugin

KIND = "MeshTrafficPermission"
ALLOW, SHADOW_DENY = "Allow", "AllowWithShadowDeny"


class MeshTrafficPermissionPlugin(PolicyPlugin):
    """Puts the RBAC filter first; one that a TrafficPermission put there counts only while no new policy does."""

    kind = KIND

    def inbound(self, target: InboundTarget, policies: tuple[Policy, ...]) -> None:
        secured = [chain for chain in target.listener.chains if chain.tls is not None]
        if not secured:
            return
        legacy = any(isinstance(f, NetworkRbac) for chain in secured for f in chain.filters)
        if legacy and not policies:
            return
        rbac = permissions(policies, target.mesh)
        for chain in secured:
            _replace(chain, rbac, target.listener.name)

    def external(self, target: EgressTarget, policies: tuple[Policy, ...]) -> None:
        if policies:
            _replace(target.chain, permissions(policies, target.mesh), target.listener)

    def mesh_external(self, target: EgressTarget, policies: tuple[Policy, ...]) -> None:
        # No policy can say who may use which of them; the mesh lets all of its proxies, or none.
        anybody: dict[str, tuple[Principal, ...]] = {} if target.forbidden else {KIND: (AnyPrincipal(),)}
        _replace(target.chain, Rbac(PrincipalRules(anybody)), target.listener)


def permissions(policies: Sequence[Policy], mesh: str) -> Rbac:
    """The rules of an inbound that these policies select, given in ascending strength."""
    ruled = [policy for policy in policies if policy.has_rules]
    if ruled:
        return _matchers(ruled)
    rules = compile_subsets(client_entries(policies))
    allowed = tuple(_principals(rules, (ALLOW, SHADOW_DENY), mesh))
    shadowed = tuple(_principals(rules, (SHADOW_DENY,), mesh))
    return Rbac(
        PrincipalRules({KIND: allowed} if allowed else {}),
        PrincipalRules({KIND: shadowed}, deny=True) if shadowed else None,
    )


def principal_of(tags: Sequence[Tag], mesh: str) -> Principal:
    """The clients that fulfil all conditions on their tags, as their certificates show them."""
    parts = [_named(tag, mesh) for tag in sorted(tags)]
    if not parts:
        return AnyPrincipal()
    return parts[0] if len(parts) == 1 else AllPrincipals(tuple(parts))


def _replace(chain: FilterChain, rbac: Rbac, listener: str) -> None:
    """Puts the filter first in place of one that a TrafficPermission put there."""
    chain.filters = [f for f in chain.filters if not isinstance(f, NetworkRbac)]
    if chain.http is not None:
        chain.http.http_filters.insert(0, HttpRbac(rbac))
    else:
        chain.filters.insert(0, NetworkRbac(f"{stat_safe(listener)}.", rbac))


def _named(tag: Tag, mesh: str) -> NamedPrincipal | NotPrincipal:
    uri = f"spiffe://{mesh}/{tag.value}" if tag.key == SERVICE_TAG else f"kuma://{tag.key}/{tag.value}"
    named = NamedPrincipal(uri)
    return NotPrincipal(named) if tag.negated else named


def _principals(rules: SubsetRules, actions: tuple[str, ...], mesh: str) -> Iterator[Principal]:
    """One principal per rule with one of the actions.

    Rules of an expanded list are disjoint. In a condensed one the first match decides, so clients of stronger rules
    with another action are taken out.
    """
    stronger: list[Principal] = []
    for rule in rules.rules:
        principal = principal_of(rule.subset, mesh)
        if _action(rule) in actions:
            yield principal if rules.expanded else _without(principal, stronger)
        else:
            stronger.append(principal)


def _without(principal: Principal, others: Sequence[Principal]) -> Principal:
    excluded = tuple(NotPrincipal(other) for other in others)
    if not excluded:
        return principal
    kept: tuple[Principal, ...] = principal.principals if isinstance(principal, AllPrincipals) else (principal,)
    return AllPrincipals((*kept, *excluded))


def _action(rule: SubsetRule) -> str:
    return str(rule.effective.conf.get("action", ""))


def _matchers(policies: Sequence[Policy]) -> Rbac:
    rules: list[MatcherRule] = []
    shadow: list[MatcherRule] = []
    for policy in policies:
        for item in policy.inbound_items:
            conf = item.conf
            deny = _sans(conf, "deny")
            shadowed = _sans(conf, "allowWithShadowDeny")
            allow = (*_sans(conf, "allow"), *shadowed)
            if deny:
                rules.append(MatcherRule(policy.kri, True, deny))
            if allow:
                rules.append(MatcherRule(policy.kri, False, allow))
            if shadowed:
                shadow.append(MatcherRule(policy.kri, True, shadowed))
    return Rbac(MatcherRules(tuple(rules)), MatcherRules(tuple(shadow)) if shadow else None)


def _sans(conf: JsonObject, name: str) -> tuple[SanMatcher, ...]:
    matches = (match.get("spiffeID") for match in conf.get(name) or ())
    return tuple(SanMatcher(m["value"], prefix=m["type"] == "Prefix") for m in matches if m)
