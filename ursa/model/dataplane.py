"""A Dataplane as the rest of the code wants to read it: typed, with derived notions, without protobuf or JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ursa.model.json import JsonObject
from ursa.model.labels import PROTOCOL_TAG, SERVICE_TAG, ZONE_TAG
from ursa.model.resource import Resource

SERVICELESS_PORT = 49151
"""An inbound with this port makes a Dataplane without a service (`spec/dataplane.md` §1.1)."""

Tags = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Inbound:
    """Where others reach a workload through the proxy; addresses are already defaulted."""

    address: str
    port: int
    workload_address: str
    workload_port: int
    tags: Tags
    name: str = ""
    state: str = "Ready"
    ready: bool = True

    @property
    def service(self) -> str:
        """Value of `kuma.io/service`."""
        return self.tags.get(SERVICE_TAG, "")

    @property
    def protocol(self) -> str:
        """Value of `kuma.io/protocol`, lower case, empty when missing."""
        return self.tags.get(PROTOCOL_TAG, "").lower()

    @property
    def healthy(self) -> bool:
        """Whether it may get traffic."""
        return self.state == "Ready" and self.ready

    @property
    def section(self) -> str:
        """Its name, or its port when it has none."""
        return self.name or str(self.port)


@dataclass(frozen=True, slots=True)
class BackendRef:
    """A reference to a real service by name or labels; `port` is 0 when it means all of them."""

    kind: str
    name: str = ""
    port: int = 0
    labels: Tags = field(default_factory=dict, hash=False)
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Outbound:
    """Where the workload reaches another service through the proxy."""

    address: str
    port: int
    tags: Tags = field(default_factory=dict)
    backend_ref: BackendRef | None = None

    @property
    def service(self) -> str:
        """Value of `kuma.io/service`, empty for a reference to a real resource."""
        return self.tags.get(SERVICE_TAG, "")


@dataclass(frozen=True, slots=True)
class Gateway:
    """A proxy at the edge: somebody else's gateway, or Envoy itself."""

    tags: Tags
    builtin: bool = False


@dataclass(frozen=True, slots=True)
class TransparentProxying:
    """How traffic gets redirected into the proxy.

    Attributes:
        reachable_services: tag services that it needs, none for all.
        reachable_backends: real services that it needs; None when it does not say.
    """

    redirect_port_inbound: int = 0
    redirect_port_outbound: int = 0
    direct_access_services: tuple[str, ...] = ()
    reachable_services: tuple[str, ...] = ()
    reachable_backends: tuple[BackendRef, ...] | None = None
    ip_family_mode: str = ""


@dataclass(frozen=True, slots=True)
class Dataplane:
    """A proxy beside a workload; `metrics` is what it says otherwise than its mesh about them."""

    mesh: str
    name: str
    labels: Tags
    address: str
    advertised_address: str
    inbounds: tuple[Inbound, ...]
    outbounds: tuple[Outbound, ...]
    gateway: Gateway | None = None
    transparent: TransparentProxying | None = None
    admin_port: int = 0
    metrics: JsonObject = field(default_factory=dict)

    @property
    def reachable_at(self) -> str:
        """The address others use, when an inbound has none of its own."""
        return self.advertised_address or self.address

    @property
    def builtin_gateway(self) -> bool:
        """Whether Envoy itself is the gateway."""
        return self.gateway is not None and self.gateway.builtin

    @property
    def tag_sets(self) -> tuple[Tags, ...]:
        """Tags of the gateway, or of every inbound."""
        return (self.gateway.tags,) if self.gateway is not None else tuple(i.tags for i in self.inbounds)

    @property
    def services(self) -> tuple[str, ...]:
        """All values of `kuma.io/service`, sorted."""
        return tuple(sorted({tags[SERVICE_TAG] for tags in self.tag_sets if SERVICE_TAG in tags}))

    @property
    def identifying_service(self) -> str:
        """The first service, or `unknown`."""
        return (self.services or ("unknown",))[0]

    @property
    def all_tags(self) -> dict[str, list[str]]:
        """Every tag with all its values, sorted."""
        return merge_tags(self.tag_sets)


def merge_tags(tag_sets: Iterable[Tags]) -> dict[str, list[str]]:
    """Every tag of some tag sets with all its values, both sorted."""
    values: dict[str, set[str]] = {}
    for tags in tag_sets:
        for key, value in tags.items():
            values.setdefault(key, set()).add(value)
    return {key: sorted(values[key]) for key in sorted(values)}


def parse_dataplane(resource: Resource) -> Dataplane:
    """The Dataplane in a resource; tolerant of anything validation lets through. Parsed once per resource object."""
    return resource.form(Dataplane, _parse)


def _parse(resource: Resource) -> Dataplane:
    networking: JsonObject = resource.spec.get("networking", {})
    address = networking.get("address", "")
    gateway = networking.get("gateway")
    return Dataplane(
        mesh=resource.mesh,
        name=resource.name,
        labels=resource.labels,
        address=address,
        advertised_address=networking.get("advertisedAddress", ""),
        inbounds=tuple(_inbound(i, address) for i in networking.get("inbound", ())),
        outbounds=tuple(_outbound(o) for o in networking.get("outbound", ())),
        gateway=Gateway(gateway.get("tags", {}), gateway.get("type") == "BUILTIN") if gateway is not None else None,
        transparent=_transparent(networking.get("transparentProxying")),
        admin_port=int(networking.get("admin", {}).get("port", 0)),
        metrics=resource.spec.get("metrics", {}).get("conf", {}),
    )


def with_zone_tags(spec: JsonObject, zone: str) -> JsonObject:
    """A Dataplane's spec with tag `kuma.io/zone` on every inbound and on the gateway."""
    networking = dict(spec.get("networking", {}))
    if "inbound" in networking:
        networking["inbound"] = [_tagged(inbound, zone) for inbound in networking["inbound"]]
    if "gateway" in networking:
        networking["gateway"] = _tagged(networking["gateway"], zone)
    return {**spec, "networking": networking}


def with_probed_inbounds_not_ready(spec: JsonObject) -> JsonObject:
    """A new Dataplane's spec: an inbound with a probe is not ready until the probe says so."""
    networking = dict(spec.get("networking", {}))
    if "inbound" not in networking:
        return spec
    networking["inbound"] = [
        {**i, "state": "NotReady", "health": {}} if "serviceProbe" in i else i for i in networking["inbound"]
    ]
    return {**spec, "networking": networking}


def _tagged(part: dict[str, Any], zone: str) -> dict[str, Any]:
    return {**part, "tags": {**part.get("tags", {}), ZONE_TAG: zone}}


def _inbound(spec: JsonObject, address: str) -> Inbound:
    bind = spec.get("address") or address
    port = int(spec.get("port", 0))
    health = spec.get("health")
    return Inbound(
        address=bind,
        port=port,
        workload_address=spec.get("serviceAddress") or bind,
        workload_port=int(spec.get("servicePort") or port),
        tags=spec.get("tags", {}),
        name=spec.get("name", ""),
        state=spec.get("state", "Ready"),
        ready=health is None or bool(health.get("ready")),
    )


def _outbound(spec: JsonObject) -> Outbound:
    ref = spec.get("backendRef")
    return Outbound(
        address=spec.get("address") or "127.0.0.1",
        port=int(spec.get("port", 0)),
        tags=spec.get("tags", {}),
        backend_ref=_backend_ref(ref) if ref else None,
    )


def _backend_ref(spec: JsonObject) -> BackendRef:
    return BackendRef(
        kind=spec.get("kind", ""),
        name=spec.get("name", ""),
        port=int(spec.get("port", 0)),
        labels=spec.get("labels", {}),
        namespace=spec.get("namespace", ""),
    )


def _transparent(spec: JsonObject | None) -> TransparentProxying | None:
    if spec is None:
        return None
    backends = spec.get("reachableBackends")
    return TransparentProxying(
        redirect_port_inbound=int(spec.get("redirectPortInbound", 0)),
        redirect_port_outbound=int(spec.get("redirectPortOutbound", 0)),
        direct_access_services=tuple(spec.get("directAccessServices", ())),
        reachable_services=tuple(spec.get("reachableServices", ())),
        reachable_backends=None if backends is None else tuple(map(_backend_ref, backends.get("refs", ()))),
        ip_family_mode=spec.get("ipFamilyMode", ""),
    )
