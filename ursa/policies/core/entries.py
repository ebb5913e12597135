"""Items of matched policies as entries over tags: clients for `from`, services known by tag for `to`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ursa.policies.core.policy import Item, Origin, Policy
from ursa.policies.core.references import routes_meant
from ursa.policies.core.route_hash import MATCHES_KEY, matches_hash
from ursa.policies.core.subject import Tags, pairs
from ursa.policies.core.subsets import Entry
from ursa.policies.core.target_ref import (
    MESH,
    MESH_HTTP_ROUTE,
    MESH_SERVICE_SUBSET,
    MESH_SUBSET,
    SERVICE_TAG,
    TargetRef,
)


def client_entries(policies: Iterable[Policy]) -> tuple[Entry, ...]:
    """The `from` items of policies given in ascending strength."""
    return tuple(_entries((policy, item) for policy in policies for item in policy.from_items))


def service_entries(policies: Iterable[Policy], routes: Iterable[Policy]) -> tuple[Entry, ...]:
    """The `to` items that can mean services known by tag.

    A policy attached to a MeshHTTPRoute speaks about that route's destinations and matches only. One with an item for
    a route is, as in Kuma, about real services as a whole.

    Args:
        policies: in ascending strength.
        routes: MeshHTTPRoutes of the mesh.
    """
    entries: list[Entry] = []
    for policy in policies:
        if any(item.target.kind == MESH_HTTP_ROUTE for item in policy.to_items):
            continue
        if policy.target.kind == MESH_HTTP_ROUTE:
            entries.extend(entry for route in routes_meant(policy, routes) for entry in _on_route(policy, route))
        else:
            entries.extend(_entries((policy, item) for item in policy.to_items))
    return tuple(entries)


def source_entries(policies: Iterable[Policy], destination: Tags) -> tuple[Entry, ...]:
    """What `to` items say about one destination, as entries over the clients that their policies select.

    A zone egress needs this: it stands between many clients and the destination.

    Args:
        policies: in ascending strength.
        destination: tags of the destination.
    """
    entries = []
    for policy in policies:
        clients = tags_of(policy.target)
        for item in policy.to_items:
            wanted = tags_of(item.target)
            if clients is not None and wanted is not None and wanted <= destination:
                entries.append(Entry(clients, item.conf, Origin(policy, item.index)))
    return tuple(entries)


def tags_of(target: TargetRef) -> Tags | None:
    """The tags that a reference asks for, None when it means a real resource."""
    if target.kind == MESH:
        return frozenset()
    if target.kind == MESH_SUBSET:
        return pairs(target.tags)
    if target.kind == MESH_SERVICE_SUBSET:
        return pairs({SERVICE_TAG: target.name, **target.tags})
    if target.legacy_service:
        return pairs({SERVICE_TAG: target.name})
    return None


def _entries(items: Iterable[tuple[Policy, Item]]) -> Iterator[Entry]:
    for policy, item in items:
        tags = tags_of(item.target)
        if tags is not None:
            yield Entry(tags, item.conf, Origin(policy, item.index))


def _on_route(policy: Policy, route: Policy) -> Iterator[Entry]:
    for item in policy.to_items:
        for destination in route.to_items:
            tags = tags_of(destination.target)
            for rule in destination.conf.get("rules") or ():
                if tags is not None:
                    on_match = pairs({MATCHES_KEY: matches_hash(rule.get("matches") or ())})
                    yield Entry(tags | on_match, item.conf, Origin(policy, item.index))
