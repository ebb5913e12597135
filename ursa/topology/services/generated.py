"""MeshServices made from Dataplanes: in a universal zone nobody has to write them.

A generated service outlives its last Dataplane by a grace period, since what refers to it (addresses, routes, other
zones) would otherwise flap with every rollout. Services of other zones and those written by users are left alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ursa.model.dataplane import SERVICELESS_PORT, Inbound, parse_dataplane
from ursa.model.json import JsonObject
from ursa.model.labels import (
    DELETION_GRACE,
    DISPLAY_NAME,
    ENV,
    GLOBAL,
    IN_ZONE,
    MANAGED_BY,
    MESH,
    ORIGIN,
    SERVICE_TAG,
    ZONE,
)
from ursa.model.names import is_dns_1035
from ursa.model.resource import Resource
from ursa.model.timestamps import SECOND, parse_timestamp, rfc3339

GENERATOR = "meshservice-generator"
"""Value of the label that marks generated services."""


@dataclass(frozen=True, slots=True)
class Generator:
    """The rules of one zone.

    Attributes:
        zone: name of the zone.
        grace: seconds for which a service without Dataplanes is kept.
    """

    zone: str
    grace: float

    def owns(self, service: Resource) -> bool:
        """Whether a MeshService was generated here."""
        return service.labels.get(MANAGED_BY) == GENERATOR and is_local(service, self.zone)

    def generate(
        self, mesh: str, service: str, existing: Resource | None, dataplanes: Iterable[Resource], now: int
    ) -> Resource | None:
        """The MeshService of a tag service as it should be now, None when there should be none.

        Args:
            mesh: name of the mesh.
            service: value of `kuma.io/service`.
            existing: the MeshService of that name, if there is one.
            dataplanes: all that carry the service.
            now: nanoseconds since the epoch.
        """
        if existing is not None and not self.owns(existing):
            return existing
        ports = _ports(service, dataplanes)
        if ports:
            return self._generated(mesh, service, existing, ports) if is_dns_1035(service) else existing
        if existing is None:
            return None
        started = grace_started(existing)
        if not started:
            return existing.with_labels({**existing.labels, DELETION_GRACE: rfc3339(now)})
        return existing if now < self.expires(existing) else None

    def expires(self, service: Resource) -> int:
        """When a service without Dataplanes is to go, nanoseconds; 0 when it has some."""
        started = grace_started(service)
        return started + round(self.grace * SECOND) if started else 0

    def _generated(self, mesh: str, service: str, existing: Resource | None, ports: list[JsonObject]) -> Resource:
        selector = {"dataplaneTags": {SERVICE_TAG: service}}
        labels = {
            DISPLAY_NAME: service,
            ENV: "universal",
            MANAGED_BY: GENERATOR,
            MESH: mesh,
            ORIGIN: IN_ZONE,
            ZONE: self.zone,
        }
        if existing is None:
            spec = {"state": "Unavailable", "selector": selector, "ports": ports}
            return Resource("MeshService", mesh, service, spec, labels, {"tls": {}, "dataplaneProxies": {}})
        kept = {key: value for key, value in existing.labels.items() if key != DELETION_GRACE}
        spec = {**existing.spec, "selector": selector, "ports": ports}
        return replace(existing, spec=spec, labels={**kept, **labels})


def is_local(service: Resource, zone: str) -> bool:
    """Whether a service belongs to this zone, not to another one or to the global."""
    return service.labels.get(ORIGIN) != GLOBAL and service.labels.get(ZONE, zone) == zone


def grace_started(service: Resource) -> int:
    """Since when a generated service has no Dataplane, nanoseconds; 0 when it has some."""
    return parse_timestamp(service.labels.get(DELETION_GRACE, ""))


def _ports(service: str, dataplanes: Iterable[Resource]) -> list[JsonObject]:
    """Ports of a service in order; where two Dataplanes disagree, the older one is right."""
    ports: dict[int, JsonObject] = {}
    for resource in sorted(dataplanes, key=lambda r: (r.created, r.name)):
        for inbound in parse_dataplane(resource).inbounds:
            if _offers(inbound, service):
                ports.setdefault(inbound.port, _port(inbound))
    return [ports[number] for number in sorted(ports)]


def _offers(inbound: Inbound, service: str) -> bool:
    return inbound.service == service and inbound.port != SERVICELESS_PORT and inbound.state != "Ignored"


def _port(inbound: Inbound) -> JsonObject:
    return {
        "name": inbound.section,
        "port": inbound.port,
        "targetPort": inbound.port,
        "appProtocol": inbound.protocol or "tcp",
    }
