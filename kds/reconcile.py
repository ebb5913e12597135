"""From a delivery to the fewest writes that make this side equal to it (`spec/kds.md` §6.1). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from kds.ownership import Ownership
from kds.requester import USER_ERROR, Delivery
from ursa.model.kind import Kind
from ursa.model.resource import Resource, ResourceKey
from ursa.store.contract import Delete, Write
from ursa.view.view import View


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write, and what was refused because it would overwrite somebody else's resource."""

    writes: tuple[Write, ...]
    conflicts: Mapping[ResourceKey, str]


def reconcile(delivery: Delivery, kind: Kind, view: View, ownership: Ownership) -> Plan:
    """The plan for one delivery; every write expects exactly what the view shows. What is damaged here is replaced."""
    received = {r.key: r for sent in delivery.resources if (r := ownership.adopt(sent, kind)) is not None}
    writes: list[Write] = []
    conflicts: dict[ResourceKey, str] = {}
    for key, resource in received.items():
        existing = view.get(*key)
        if existing is None:
            writes.append(view.replacing(resource))
        elif not ownership.owns(existing, kind):
            conflicts[key] = _taken(key)
        else:
            wanted = replace(resource, status=existing.status) if ownership.keeps_status else resource
            if key in view.damaged or not wanted.same_content(existing):
                writes.append(view.replacing(wanted))
    return Plan((*_deletions(delivery, kind, view, ownership, received), *writes), conflicts)


def _deletions(
    delivery: Delivery, kind: Kind, view: View, ownership: Ownership, received: Mapping[ResourceKey, Resource]
) -> list[Delete]:
    """What the peer no longer has; resources of quarantined keys stay as they are."""
    spared = received.keys() | {ownership.rename(key) for key in delivery.quarantined}
    if delivery.complete:
        candidates = list(view.list(kind.name))
    else:
        found = (view.get(*ownership.rename(key)) for key in delivery.removed)
        candidates = [resource for resource in found if resource is not None]
    return [
        view.removing(resource)
        for resource in candidates
        if resource.key not in spared and ownership.owns(resource, kind)
    ]


def _taken(key: ResourceKey) -> str:
    return f'{USER_ERROR}\nresource already exists: type="{key.kind}" name="{key.name}" mesh="{key.mesh}"'
