"""What matched policies say about one thing: the proxy as a whole, an inbound, an outbound, a route of an outbound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ursa.api.proxies.destinations import Destination
from ursa.api.proxies.matched import HTTP_ROUTE, TCP_ROUTE, KindMatch
from ursa.model.kind import ItemConf
from ursa.policies.core.merge_routes import rules_by_hash
from ursa.policies.core.policy import Effective, Item, Policy, effective_default, effective_items
from ursa.policies.core.precedence import destination_order

Entry = tuple[Policy, Item]

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


def of_outbound(found: Iterable[KindMatch], destination: Destination) -> Iterator[dict[str, Any]]:
    """Policies that say something about a destination, merged."""
    for match in found:
        if match.kind.name not in _ROUTES:
            yield from _merged(match, _about(match, destination))


def of_route(found: Iterable[KindMatch], destination: Destination, route: str) -> Iterator[dict[str, Any]]:
    """Policies that name the route; a kind without one says what it says about the destination."""
    for match in found:
        if match.kind.name in _ROUTES:
            continue
        entries = destination_order(match.matched.outbound)
        on_route = [e for e in entries if e[1].target.kind == HTTP_ROUTE and e[1].target.name == route]
        yield from _merged(match, on_route or _about(match, destination))


def routes_of(found: Iterable[KindMatch], destination: Destination) -> Iterator[dict[str, Any]]:
    """Routes that divide the requests to a destination."""
    for match in found:
        if match.kind.name not in _ROUTES:
            continue
        found_here = effective_items(_about(match, destination))
        if found_here is not None:
            yield {"kind": match.kind.name, "origins": origins(found_here.policies), "rules": list(_rules(found_here))}


def origins(policies: Iterable[Policy]) -> list[dict[str, str]]:
    """The identifiers of policies, each once, weakest first."""
    return [{"kri": policy.kri} for policy in dict.fromkeys(policies)]


def _about(match: KindMatch, destination: Destination) -> Sequence[Entry]:
    entries = destination_order(match.matched.outbound)
    return [entry for entry in entries if destination.is_meant(entry[0], entry[1].target)]


def _merged(match: KindMatch, entries: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    found = effective_items(entries)
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
