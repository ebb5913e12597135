"""Rules of ZoneIngress and ZoneEgress (`spec/dataplane.md` §1.6; the doubled `address.address` is on the wire)."""

from __future__ import annotations

from collections.abc import Sequence

from ursa.errors import Violation
from ursa.model.resource import Resource
from ursa.model.validation.fields import address, port


def zone_ingress_violations(resource: Resource) -> Sequence[Violation]:
    """Everything wrong with a ZoneIngress."""
    networking = resource.spec.get("networking", {})
    advertised, advertised_port = networking.get("advertisedAddress"), networking.get("advertisedPort")
    found = []
    if advertised and not advertised_port:
        found.append(Violation("networking.advertisedPort", "has to be defined with advertisedAddress"))
    if advertised_port and not advertised:
        found.append(Violation("networking.advertisedAddress", "has to be defined with advertisedPort"))
    if networking.get("address"):
        found += address("networking.address.address", networking["address"])
    if advertised:
        found += address("networking.advertisedAddress.address", advertised)
    found += port("networking.port", networking.get("port"))
    if advertised_port:
        found += port("networking.advertisedPort", advertised_port)
    found += _admin(networking)
    for index, service in enumerate(resource.spec.get("availableServices", [])):
        if "kuma.io/service" not in service.get("tags", {}):
            field = f"availableService[{index}].tags"
            found.append(Violation(field, 'mandatory tag "kuma.io/service" is missing'))
    return found


def zone_egress_violations(resource: Resource) -> Sequence[Violation]:
    """Everything wrong with a ZoneEgress."""
    networking = resource.spec.get("networking", {})
    found: list[Violation] = []
    if networking.get("address"):
        found += address("networking.address.address", networking["address"])
    found += port("networking.port", networking.get("port"))
    return [*found, *_admin(networking)]


def _admin(networking: dict[str, object]) -> list[Violation]:
    admin = networking.get("admin", {})
    if isinstance(admin, dict) and admin.get("port") and admin["port"] == networking.get("port"):
        return [Violation("networking.admin.port", "must differ from port")]
    return []
