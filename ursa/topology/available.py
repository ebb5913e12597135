"""What a zone offers to others: groups of equal healthy instances, written into its ingresses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from ursa.model.dataplane import Dataplane
from ursa.model.json import JsonObject


def available_services(dataplanes: Iterable[Dataplane], tag_filters: Sequence[str] = ()) -> list[JsonObject]:
    """The `availableServices` of this zone's ingresses, sorted by mesh and tags.

    Args:
        dataplanes: all proxies of the zone in meshes that route by tags.
        tag_filters: when given, only tags beginning with one of them are told.
    """
    groups: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()
    for dataplane in dataplanes:
        for inbound in dataplane.inbounds:
            if inbound.healthy and inbound.service:
                groups[dataplane.mesh, _kept(inbound.tags.items(), tag_filters)] += 1
    return [{"tags": dict(tags), "instances": groups[mesh, tags], "mesh": mesh} for mesh, tags in sorted(groups)]


def _kept(tags: Iterable[tuple[str, str]], filters: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, value) for key, value in tags if not filters or key.startswith(tuple(filters))))
