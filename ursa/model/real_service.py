"""A real service (MeshService, MeshMultiZoneService, MeshExternalService), typed: what those who call it need to know.

Neither endpoints nor counts of proxies are in here, so the value stays equal while instances come and go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ursa.model.json import JsonObject
from ursa.model.kri import Kri
from ursa.model.labels import NAMESPACE, ZONE
from ursa.model.resource import EMPTY, Resource, ResourceKey

MESH_SERVICE = "MeshService"
MESH_MULTI_ZONE_SERVICE = "MeshMultiZoneService"
MESH_EXTERNAL_SERVICE = "MeshExternalService"

SHORT: Mapping[str, str] = MappingProxyType(
    {MESH_SERVICE: "msvc", MESH_MULTI_ZONE_SERVICE: "mzsvc", MESH_EXTERNAL_SERVICE: "extsvc"}
)
"""Short names of the kinds in identifiers, in the order in which the kinds are listed."""


@dataclass(frozen=True, slots=True)
class ServicePort:
    """A port of a service.

    Attributes:
        name: empty when it has none.
        target: number or name of the inbounds behind it; None when it leads to none.
        carried: the HTTP protocol that all its instances say they speak, at a port that does not say so.
    """

    number: int
    name: str = ""
    protocol: str = "tcp"
    target: int | str | None = None
    carried: str = ""

    @property
    def section(self) -> str:
        """Its name, or its number when it has none."""
        return self.name or str(self.number)


@dataclass(frozen=True, slots=True)
class RealService:
    """A service by itself.

    Attributes:
        name: in the store of this control plane.
        display_name: given by its author, in the zone it comes from.
        zone, namespace: from its labels, empty without.
        identities: SPIFFE IDs of its proxies, sorted; none when they are not known.
        tls: whether its proxies accept mesh TLS as far as its zone tells.
        addresses: virtual addresses.
    """

    kind: str
    mesh: str
    name: str
    display_name: str
    zone: str = ""
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    ports: tuple[ServicePort, ...] = ()
    identities: tuple[str, ...] = ()
    tls: bool = True
    addresses: tuple[str, ...] = ()
    hostnames: tuple[str, ...] = ()

    def __hash__(self) -> int:
        return hash((self.kind, self.mesh, self.name))

    @property
    def key(self) -> ResourceKey:
        """The identity of the resource."""
        return ResourceKey(self.kind, self.mesh, self.name)

    def port(self, number: int) -> ServicePort | None:
        """The port with this number."""
        return next((port for port in self.ports if port.number == number), None)

    def kri(self, section: str) -> str:
        """Its identifier with a section: the name of what serves it in the unified scheme."""
        return str(Kri(SHORT[self.kind], self.mesh, self.zone, self.namespace, self.display_name, section))

    def legacy_name(self, port: int) -> str:
        """The name of what serves a port in the old scheme (`spec/xds.md` §1.4)."""
        return f"{self.mesh}_{self.display_name}_{self.namespace}_{self.zone}_{SHORT[self.kind]}_{port}"

    def endpoints(self, port: int) -> str:
        """Under which name the endpoints of a port are known inside the planner."""
        return f"{self.kind}/{self.name}:{port}"


def is_real(endpoints: str) -> bool:
    """Whether a name of endpoints is that of a real service's port; tag services have no slash in theirs."""
    return "/" in endpoints


def parse_real_service(resource: Resource) -> RealService:
    """The service in a resource, apart from what only others know (the identities behind a MeshMultiZoneService)."""
    status: JsonObject = resource.status or {}
    return RealService(
        resource.kind,
        resource.mesh,
        resource.name,
        resource.display_name,
        resource.labels.get(ZONE, ""),
        resource.labels.get(NAMESPACE, ""),
        resource.labels,
        _ports(resource),
        spiffe_ids(resource),
        resource.kind != MESH_SERVICE or status.get("tls", {}).get("status") == "Ready",
        _addresses(status),
        tuple(str(a["hostname"]) for a in status.get("addresses", ()) if "hostname" in a),
    )


def spiffe_ids(service: Resource) -> tuple[str, ...]:
    """SPIFFE IDs that a MeshService says its proxies have, sorted."""
    return tuple(sorted({_spiffe_id(service.mesh, one) for one in service.spec.get("identities") or ()}))


def _spiffe_id(mesh: str, identity: JsonObject) -> str:
    value = str(identity.get("value", ""))
    return value if identity.get("type") == "SpiffeID" else f"spiffe://{mesh}/{value}"


def _ports(resource: Resource) -> tuple[ServicePort, ...]:
    if resource.kind == MESH_EXTERNAL_SERVICE:
        match: JsonObject = resource.spec.get("match") or {}
        return (ServicePort(int(match.get("port", 0)), protocol=str(match.get("protocol") or "tcp")),)
    return tuple(_port(port) for port in resource.spec.get("ports") or ())


def _port(port: JsonObject) -> ServicePort:
    number = int(port.get("port", 0))
    return ServicePort(
        number, str(port.get("name") or ""), str(port.get("appProtocol") or "tcp"), port.get("targetPort", number)
    )


def _addresses(status: JsonObject) -> tuple[str, ...]:
    found = [*(status.get("vips") or ()), status.get("vip") or {}]
    return tuple(str(vip["ip"]) for vip in found if vip.get("ip"))
