"""Host names where zone proxies have addresses, and resources with addresses in their place: Envoy takes no names."""

from __future__ import annotations

from collections.abc import Mapping

from ursa.model.json import JsonObject
from ursa.model.labels import GLOBAL, ORIGIN
from ursa.model.resource import Resource
from ursa.model.validation.addresses import is_ip

KINDS = frozenset({"ZoneIngress", "ZoneEgress"})
"""Kinds whose names we look up. A Dataplane's goes to proxies as it is, as Kuma sends it."""

ADDRESS, ADVERTISED, ADVERTISED_PORT = "address", "advertisedAddress", "advertisedPort"
PLACES = (ADDRESS, ADVERTISED)


def host_names(resource: Resource) -> frozenset[str]:
    """All names that stand for addresses of a zone proxy; where one of another zone listens is of no use here."""
    if resource.kind not in KINDS:
        return frozenset()
    networking: JsonObject = resource.spec.get("networking") or {}
    places = (ADVERTISED,) if resource.labels.get(ORIGIN) == GLOBAL else PLACES
    found = (str(networking.get(field) or "") for field in places)
    return frozenset(one for one in found if one and not is_ip(one))


def with_addresses(resource: Resource, addresses: Mapping[str, str]) -> Resource | None:
    """The resource with addresses for its names; None when one that it cannot do without is not known.

    Where an ingress listens concerns its own zone alone; others need nothing but the address that it tells them.
    """
    networking: JsonObject = resource.spec.get("networking") or {}
    needed = host_names(resource)
    if resource.kind == "ZoneIngress":
        needed &= {str(networking.get(ADVERTISED) or "")}
    if not needed <= addresses.keys():
        return None
    known = {field: addresses[name] for field in PLACES if (name := str(networking.get(field) or "")) in addresses}
    return resource.with_spec({**resource.spec, "networking": {**networking, **known}})


def without_address(resource: Resource) -> Resource | None:
    """What is left of a resource whose address is not known: an ingress without a way in from other zones."""
    if resource.kind != "ZoneIngress":
        return None
    networking: JsonObject = resource.spec.get("networking") or {}
    left = {key: value for key, value in networking.items() if key not in (ADVERTISED, ADVERTISED_PORT)}
    return resource.with_spec({**resource.spec, "networking": left})
