"""What a zone offers to others: groups of equal healthy instances, written into its ingresses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence

from ursa.model.dataplane import Dataplane
from ursa.model.json import JsonObject
from ursa.model.labels import ZONE_TAG
from ursa.model.resource import Resource

Group = tuple[str, tuple[tuple[str, str], ...]]
"""Mesh and tags of equal instances."""


def groups_of(dataplane: Dataplane, tag_filters: Sequence[str] = ()) -> list[Group]:
    """The groups to which a proxy's healthy inbounds belong, one entry per inbound.

    Args:
        dataplane: a proxy of the zone.
        tag_filters: when given, only tags beginning with one of them are told.
    """
    return [
        (dataplane.mesh, _kept(inbound.tags.items(), tag_filters))
        for inbound in dataplane.inbounds
        if inbound.healthy and inbound.service
    ]


def available_services(groups: Counter[Group]) -> list[JsonObject]:
    """The `availableServices` of the zone's ingresses, sorted by mesh and tags."""
    return [
        {"tags": dict(tags), "instances": groups[mesh, tags], "mesh": mesh}
        for mesh, tags in sorted(groups)
        if groups[mesh, tags] > 0
    ]


def external_services(external: Iterable[Resource], meshes: Container[str], zone: str) -> list[JsonObject]:
    """Those ExternalServices that only this zone reaches, for the `availableServices` of its ingresses.

    Args:
        external: all ExternalServices.
        meshes: names of the meshes that route through egresses.
        zone: name of this zone.
    """
    found: Counter[Group] = Counter()
    for resource in external:
        tags: Mapping[str, str] = resource.spec.get("tags", {})
        if resource.mesh in meshes and tags.get(ZONE_TAG) == zone:
            found[resource.mesh, _kept(tags.items(), ())] += 1
    return [{**service, "externalService": True} for service in available_services(found)]


def _kept(tags: Iterable[tuple[str, str]], filters: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, value) for key, value in tags if not filters or key.startswith(tuple(filters))))
