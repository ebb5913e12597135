"""RBAC rules, for the HTTP and the network filter alike."""

from __future__ import annotations

from collections.abc import Sequence

from envoy.config.rbac.v3.rbac_pb2 import Action
from envoy.extensions.matching.common_inputs.ssl.v3.ssl_inputs_pb2 import UriSanInput

from ursa.envoy.values import Fields, packed
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


def rbac_fields(of: Rbac) -> Fields:
    """The fields `rules`, `shadow_rules`, `matcher`, `shadow_matcher` that both filters share."""
    fields: Fields = {}
    for rules, principal_field, matcher_field in (
        (of.rules, "rules", "matcher"),
        (of.shadow, "shadow_rules", "shadow_matcher"),
    ):
        if isinstance(rules, PrincipalRules):
            fields[principal_field] = _principal_rules(rules)
        elif isinstance(rules, MatcherRules):
            fields[matcher_field] = _matcher(rules)
    return fields


def _principal_rules(rules: PrincipalRules) -> Fields:
    policies = {
        name: {"permissions": [{"any": True}], "principals": [_principal(p) for p in principals]}
        for name, principals in rules.policies.items()
    }
    return {"policies": policies, "action": "DENY" if rules.deny else "ALLOW"}


def _principal(principal: Principal) -> Fields:
    match principal:
        case AnyPrincipal():
            return {"any": True}
        case NamedPrincipal(name):
            return {"authenticated": {"principal_name": {"exact": name}}}
        case NotPrincipal(negated):
            return {"not_id": _principal(negated)}
        case AllPrincipals(principals):
            return {"and_ids": {"ids": [_principal(one) for one in principals]}}


def _matcher(rules: MatcherRules) -> Fields:
    return {
        "matcher_list": {"matchers": [_field_matcher(rule) for rule in rules.rules]},
        "on_no_match": _action("default", deny=True),
    }


def _field_matcher(rule: MatcherRule) -> Fields:
    return {"predicate": any_uri_san(rule.sans), "on_match": _action(rule.policy, deny=rule.deny)}


def any_uri_san(sans: Sequence[SanMatcher]) -> Fields:
    """The predicate of a client whose URI name fulfils one of the conditions."""
    predicates = [{"single_predicate": _predicate(matcher)} for matcher in sans]
    return predicates[0] if len(predicates) == 1 else {"or_matcher": {"predicate": predicates}}


def _predicate(matcher: SanMatcher) -> Fields:
    return {
        "input": {"name": "envoy.matching.inputs.uri_san", "typed_config": packed(UriSanInput())},
        "value_match": {"prefix" if matcher.prefix else "exact": matcher.value},
    }


def _action(name: str, *, deny: bool) -> Fields:
    action = Action(name=name, action="DENY" if deny else "ALLOW")
    return {"action": {"name": "envoy.filters.rbac.action", "typed_config": packed(action)}}
