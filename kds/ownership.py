"""Who may change what on the receiving side: a peer's word counts for its own resources and for nothing else.

`spec/kds.md` §6.2 (zone) and §6.3 (global).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from ursa.model.json import JsonObject
from ursa.model.kind import Kind
from ursa.model.labels import DISPLAY_NAME, IN_ZONE, ORIGIN, ZONE, ZONE_TAG
from ursa.model.resource import Resource, ResourceKey


class Ownership(Protocol):
    """The rules for what comes from one peer."""

    keeps_status: bool
    """Whether the local status survives an update."""

    def adopt(self, resource: Resource, kind: Kind) -> Resource | None:
        """A received resource as it is stored here, or None when the peer has no business sending it."""

    def rename(self, key: ResourceKey) -> ResourceKey:
        """The local key of a key that the peer names."""

    def owns(self, existing: Resource, kind: Kind) -> bool:
        """Whether the peer may change or delete a resource that is stored here."""


class FromGlobal:
    """A zone's rules: kinds that zones cannot write belong to the global altogether, of others what it marked."""

    keeps_status = True

    def adopt(self, resource: Resource, kind: Kind) -> Resource | None:
        """Drops what does not carry the global's mark: it could never be told from the zone's own."""
        return resource if self.owns(resource, kind) else None

    def rename(self, key: ResourceKey) -> ResourceKey:
        return key

    def owns(self, existing: Resource, kind: Kind) -> bool:
        return not kind.zone_writable or existing.labels.get(ORIGIN) not in (None, IN_ZONE)


class FromZone:
    """The global's rules for one zone: whatever it sends is marked as its own, and its own is all it can change."""

    keeps_status = False

    def __init__(self, zone: str, *, hashed: bool = True) -> None:
        """Args:
        zone: the name under which the zone connected.
        hashed: whether its names are unique by themselves; otherwise they get the zone as prefix.
        """
        self._zone, self._hashed = zone, hashed

    def adopt(self, resource: Resource, kind: Kind) -> Resource | None:
        """Pins labels and tags to the zone that sent it, whatever it claims."""
        labels = dict(resource.labels) | {ZONE: self._zone, ORIGIN: IN_ZONE}
        key = self.rename(resource.key)
        if key.name != resource.name:
            labels[DISPLAY_NAME] = resource.name
        pin = _PINNED.get(kind.name)
        spec = pin(resource.spec, self._zone) if pin else resource.spec
        return replace(resource, name=key.name, labels=labels, spec=spec)

    def rename(self, key: ResourceKey) -> ResourceKey:
        return key if self._hashed else key._replace(name=f"{self._zone}.{key.name}")

    def owns(self, existing: Resource, kind: Kind) -> bool:
        if existing.labels.get(ORIGIN) != IN_ZONE:
            return False
        return existing.labels.get(ZONE) == self._zone or existing.name.startswith(f"{self._zone}.")


def _pin_ingress(spec: JsonObject, zone: str) -> JsonObject:
    services = [_pin_tags(service, zone) for service in spec.get("availableServices", ())]
    return {**spec, "zone": zone} | ({"availableServices": services} if services else {})


def _pin_egress(spec: JsonObject, zone: str) -> JsonObject:
    return {**spec, "zone": zone}


def _pin_dataplane(spec: JsonObject, zone: str) -> JsonObject:
    networking = dict(spec.get("networking", {}))
    if "inbound" in networking:
        networking["inbound"] = [_pin_tags(inbound, zone) for inbound in networking["inbound"]]
    if "gateway" in networking:
        networking["gateway"] = _pin_tags(networking["gateway"], zone)
    return {**spec, "networking": networking} if networking else spec


def _pin_tags(holder: JsonObject, zone: str) -> JsonObject:
    tags = holder.get("tags", {})
    if tags.get(ZONE_TAG, zone) == zone:
        return holder
    return {**holder, "tags": {**tags, ZONE_TAG: zone}}


_PINNED = {"ZoneIngress": _pin_ingress, "ZoneEgress": _pin_egress, "Dataplane": _pin_dataplane}
"""How the spec of a kind names its zone."""
