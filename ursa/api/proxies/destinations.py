"""Real services of a mesh, port by port, and which of them a proxy may call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ursa.model.json import JsonObject
from ursa.model.kind import Registry
from ursa.model.kri import Kri, kri_of
from ursa.model.resource import Resource
from ursa.view.view import View

KINDS = ("MeshService", "MeshMultiZoneService", "MeshExternalService")


@dataclass(frozen=True, slots=True)
class Destination:
    """One port of a real service; `section` is the port's name, or its number when it has none."""

    resource: Resource
    kri: str
    section: str
    port: int
    protocol: str


def is_named(resource: Resource, name: str, labels: JsonObject) -> bool:
    """Whether a resource is the one with this name, or one of those with these labels."""
    if name:
        return name in (resource.name, resource.display_name)
    known = {"kuma.io/display-name": resource.display_name, **resource.labels}
    return bool(labels) and all(known.get(key) == value for key, value in labels.items())


def destinations(view: View, registry: Registry, mesh: str) -> Iterator[Destination]:
    """All ports of all real services of a mesh."""
    for name in KINDS:
        for resource in view.list(name, mesh):
            for port in _ports(resource):
                number = int(port.get("port", 0))
                section = str(port.get("name") or number)
                protocol = str(port.get("appProtocol") or port.get("protocol") or "tcp")
                kri = kri_of(resource, registry[name], section)
                yield Destination(resource, kri, section, number, protocol)


def reachable(dataplane: Resource, known: Iterable[Destination]) -> Sequence[Destination]:
    """Those a proxy has outbounds for, ordered by identifier."""
    networking = dataplane.spec.get("networking", {})
    transparent = networking.get("transparentProxying")
    refs = [o["backendRef"] for o in networking.get("outbound", ()) if "backendRef" in o]
    if transparent is not None and "reachableBackends" in transparent:
        refs = transparent["reachableBackends"].get("refs", [])
    elif transparent is not None or not refs:
        return sorted(known, key=lambda d: d.kri)
    return sorted((d for d in known if any(_refers(ref, d) for ref in refs)), key=lambda d: d.kri)


def find(known: Iterable[Destination], wanted: Kri) -> Destination | None:
    """The destination with this identifier; its section may be a port's name or number."""
    for one in known:
        parts = one.kri.split("_")
        if parts[1:6] == list(wanted[:5]) and wanted.section in (one.section, str(one.port)):
            return one
    return None


def _ports(resource: Resource) -> Sequence[JsonObject]:
    if resource.kind == "MeshExternalService":
        return [resource.spec.get("match", {})]
    ports: Sequence[JsonObject] = resource.spec.get("ports", ())
    return ports


def _refers(ref: JsonObject, destination: Destination) -> bool:
    return (
        ref.get("kind") == destination.resource.kind
        and ref.get("port", destination.port) == destination.port
        and is_named(destination.resource, ref.get("name", ""), ref.get("labels") or {})
    )
