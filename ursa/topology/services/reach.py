"""How one zone's proxies reach real services: instances of this zone, ingresses of others, egresses (`xds.md` §4.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from ursa.ir.cluster import Endpoint
from ursa.model.dataplane import Dataplane, Inbound
from ursa.model.json import JsonObject
from ursa.model.labels import ZONE_TAG
from ursa.model.real_service import ServicePort
from ursa.model.resource import Resource
from ursa.model.zone_proxy import WHOLE, ZoneEgress, ZoneIngress
from ursa.topology.destinations import without_service

FARTHER = 1
"""Priority of other zones' instances: a service that has some here is not looked for there."""

AVAILABLE = "Available"


def selects(service: Resource, dataplane: Dataplane) -> bool:
    """Whether a Dataplane belongs to a MeshService: by name, or because an inbound or its gateway has all the tags."""
    selector: JsonObject = service.spec.get("selector") or {}
    if name := (selector.get("dataplaneRef") or {}).get("name"):
        return bool(dataplane.name == name)
    tags: Mapping[str, str] = selector.get("dataplaneTags") or {}
    return bool(tags) and any(tags.items() <= own.items() for own in dataplane.tag_sets)


def instances(port: ServicePort, dataplanes: Iterable[Dataplane]) -> tuple[Endpoint, ...]:
    """The instances of a port in this zone: every healthy inbound of these Dataplanes that the port leads to."""
    return tuple(
        Endpoint(
            dataplane.advertised_address or inbound.address,
            inbound.port,
            tags=without_service(inbound.tags),
            zone=inbound.tags.get(ZONE_TAG),
        )
        for dataplane in dataplanes
        for inbound in dataplane.inbounds
        if inbound.healthy and leads_to(port, inbound)
    )


def leads_to(port: ServicePort, inbound: Inbound) -> bool:
    """Whether an inbound, told by number or by name, is behind a port."""
    return port.target in ((inbound.name,) if isinstance(port.target, str) else (inbound.port,))


def behind_ingresses(zone: str, ingresses: Iterable[ZoneIngress]) -> tuple[Endpoint, ...]:
    """How to reach what is in another zone: by its ingresses, each address once; those of a lapsed zone last.

    A zone that is drained is left out at the end only: until then a service that is nowhere else has no other way.
    """
    found: dict[tuple[str, int], Endpoint] = {}
    for ingress in ingresses:
        if ingress.zone == zone and ingress.reachable and ingress.share:
            address = (ingress.advertised_address, ingress.advertised_port)
            priority, lapsed = FARTHER + int(ingress.lapsed), ingress.lapsed
            one = Endpoint(*address, tags={ZONE_TAG: zone}, zone=zone, priority=priority, lapsed=lapsed)
            found.setdefault(address, one)
    return tuple(found.values())


def by_shares(endpoints: tuple[Endpoint, ...], shares: Mapping[str, int]) -> tuple[Endpoint, ...]:
    """Endpoints in several zones, those of each with the zone's share of the weight if the shares differ."""
    parts = [shares.get(endpoint.zone or "", WHOLE) for endpoint in endpoints]
    if len(set(parts)) <= 1:
        return endpoints
    return tuple(
        replace(endpoint, weight=endpoint.weight * part) for endpoint, part in zip(endpoints, parts, strict=True)
    )


def behind_egresses(labels: Mapping[str, str], egresses: Iterable[ZoneEgress]) -> tuple[Endpoint, ...]:
    """How to reach what is outside of the mesh: by this zone's egresses."""
    tags = dict(sorted(labels.items()))
    return tuple(Endpoint(egress.address, egress.port, tags=tags, zone=labels.get(ZONE_TAG)) for egress in egresses)


def members(service: Resource) -> Iterator[tuple[str, str, str]]:
    """The MeshServices of a MeshMultiZoneService: display name, namespace and zone of each."""
    for one in (service.status or {}).get("meshServices") or ():
        yield str(one.get("name", "")), str(one.get("namespace", "")), str(one.get("zone", ""))


def available(service: Resource) -> bool:
    """Whether a MeshService says that it has an instance that may get traffic."""
    return bool(service.spec.get("state") == AVAILABLE)
