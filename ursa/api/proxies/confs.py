"""What matched policies say about one thing: the proxy as a whole, an inbound, an outbound, a route of an outbound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ursa.api.proxies.destinations import Destination
from ursa.api.proxies.matched import HTTP_ROUTE, TCP_ROUTE, KindMatch
from ursa.model.kind import ItemConf
from ursa.model.resource import Resource
from ursa.policies.core.merge_routes import rules_by_hash
from ursa.policies.core.policy import Effective, Policy, effective_default
from ursa.policies.core.resource_rules import lookup, resource_rules

_ROUTES = (HTTP_ROUTE, TCP_ROUTE)


def of_proxy(found: Iterable[KindMatch]) -> Iterator[dict[str, Any]]:
    """Policies without lists, merged."""
    for match in found:
        merged = effective_default(match.policies)
        if merged is not None:
            yield {"kind": match.kind.name, "conf": merged.conf, "origins": origins(merged.policies)}


def of_inbound(found: Iterable[KindMatch], position: int) -> Iterator[dict[str, Any]]:
    """Rules of policies that select an inbound, each with its own conf, weakest first."""
    for match in found:
        policies = [policy for policy in match.matched.on_inbound(position) if policy.inbound_items]
        rules = [{"kri": p.kri, "conf": item.conf} for p in policies for item in p.inbound_items]
        if rules:
            yield {"kind": match.kind.name, "rules": rules, "origins": origins(policies)}


def of_outbound(found: Iterable[KindMatch], destination: Destination, mesh: Resource) -> Iterator[dict[str, Any]]:
    """Policies that say something about a destination, merged."""
    for match in found:
        if match.kind.name not in _ROUTES:
            yield from _merged(match, _about(match, destination, mesh))


def of_route(
    found: Iterable[KindMatch], destination: Destination, mesh: Resource, route: Resource | None
) -> Iterator[dict[str, Any]]:
    """Policies that name the route; a kind without one says what it says about the destination."""
    for match in found:
        if match.kind.name in _ROUTES:
            continue
        rules = [] if route is None else resource_rules(match.matched.outbound, [route], mesh)
        on_route = next((rule.effective for rule in rules if rule.resource is route), None)
        yield from _merged(match, on_route or _about(match, destination, mesh))


def routes_of(found: Iterable[KindMatch], destination: Destination, mesh: Resource) -> Iterator[dict[str, Any]]:
    """Routes that divide the requests to a destination."""
    for match in found:
        if match.kind.name not in _ROUTES:
            continue
        about = _about(match, destination, mesh)
        if about is not None:
            yield {"kind": match.kind.name, "origins": origins(about.policies), "rules": list(_rules(about))}


def origins(policies: Iterable[Policy]) -> list[dict[str, str]]:
    """The identifiers of policies, each once, weakest first."""
    return [{"kri": policy.kri} for policy in dict.fromkeys(policies)]


def _about(match: KindMatch, destination: Destination, mesh: Resource) -> Effective | None:
    rules = resource_rules(match.matched.outbound, [destination.resource], mesh)
    return lookup(rules, destination.resource, destination.section)


def _merged(match: KindMatch, found: Effective | None) -> Iterator[dict[str, Any]]:
    if found is not None:
        yield {"kind": match.kind.name, "conf": list(found.confs), "origins": origins(found.policies)}


def _rules(found: Effective) -> Iterator[dict[str, Any]]:
    """Rules by their matches, with the route each comes from; a TCP route has one, for all connections."""
    if found.origins[0].policy.item_conf is ItemConf.ONE_RULE:
        yield {"kri": "", "matches": None, "conf": found.conf.get("default", {})}
        return
    for conf in found.confs:
        for digest, rule in rules_by_hash(conf).items():
            yield {
                "kri": found.by_matches[digest].kri,
                "matches": rule.get("matches", []),
                "conf": rule.get("default", {}),
            }
