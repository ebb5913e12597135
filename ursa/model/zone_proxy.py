"""Zone ingress and egress, typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ursa.model.labels import ORIGIN, PRESENCE, SHARE, ZONE
from ursa.model.resource import Resource

WHOLE = 100
"""Percent."""


@dataclass(frozen=True, slots=True)
class AvailableService:
    """A set of equal instances that an ingress leads to."""

    mesh: str
    tags: Mapping[str, str]
    instances: int
    external: bool = False

    @property
    def service(self) -> str:
        """Value of `kuma.io/service`."""
        return self.tags.get("kuma.io/service", "")


@dataclass(frozen=True, slots=True)
class ZoneIngress:
    """Where other zones come in. `zone` is empty for an ingress of this zone that has not been synced."""

    name: str
    zone: str
    address: str
    port: int
    advertised_address: str
    advertised_port: int
    available: tuple[AvailableService, ...]
    admin_port: int = 0
    lapsed: bool = False
    """Whether its zone has not been seen for a while."""
    share: int = WHOLE
    """Percent of its weight that other zones give it."""

    @property
    def reachable(self) -> bool:
        """Whether other zones can use it."""
        return bool(self.advertised_address and self.advertised_port)


@dataclass(frozen=True, slots=True)
class ZoneEgress:
    """Where traffic leaves a zone."""

    name: str
    zone: str
    address: str
    port: int
    admin_port: int = 0


def zone_of(resource: Resource, own_zone: str) -> str:
    """The zone a zone proxy belongs to: from its spec, its label, or this one for those registered here."""
    named = resource.spec.get("zone") or resource.labels.get(ZONE)
    if named:
        return str(named)
    return own_zone if resource.labels.get(ORIGIN) != "global" else ""


def parse_zone_ingress(resource: Resource, own_zone: str = "") -> ZoneIngress:
    """The ZoneIngress in a resource."""
    spec = resource.spec
    networking = spec.get("networking", {})
    return ZoneIngress(
        name=resource.name,
        zone=zone_of(resource, own_zone),
        address=networking.get("address", ""),
        port=int(networking.get("port", 0)),
        advertised_address=networking.get("advertisedAddress", ""),
        advertised_port=int(networking.get("advertisedPort", 0)),
        available=tuple(
            AvailableService(
                s.get("mesh", ""), s.get("tags", {}), int(s.get("instances", 0)), bool(s.get("externalService"))
            )
            for s in spec.get("availableServices", ())
        ),
        admin_port=int(networking.get("admin", {}).get("port", 0)),
        lapsed=resource.labels.get(PRESENCE) == "lapsed",
        share=_share(resource.labels.get(SHARE, "")),
    )


def _share(text: str) -> int:
    """Percent; everything that is no number below 100 is all of it."""
    return min(int(text), WHOLE) if text.isascii() and text.isdigit() else WHOLE


def parse_zone_egress(resource: Resource, own_zone: str = "") -> ZoneEgress:
    """The ZoneEgress in a resource."""
    networking = resource.spec.get("networking", {})
    return ZoneEgress(
        name=resource.name,
        zone=zone_of(resource, own_zone),
        address=networking.get("address", ""),
        port=int(networking.get("port", 0)),
        admin_port=int(networking.get("admin", {}).get("port", 0)),
    )
