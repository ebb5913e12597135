"""What the selection of policies may look at in a proxy.

Two proxies with equal subjects match the same policies, so a subject is the key under which matching is remembered.
Nothing that is not in here may influence matching.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ursa.model.dataplane import parse_dataplane
from ursa.model.labels import NAMESPACE, ZONE
from ursa.model.resource import Resource

Tags: TypeAlias = frozenset[tuple[str, str]]

BUILTIN = "BUILTIN"
DELEGATED = "DELEGATED"


@dataclass(frozen=True, slots=True)
class SubjectInbound:
    """An inbound by which a policy can select a proxy."""

    name: str
    port: int
    tags: Tags


@dataclass(frozen=True, slots=True)
class SubjectListener:
    """A listener of a builtin gateway; `tags` are those of Dataplane, MeshGateway and listener together."""

    gateway: str
    port: int
    hostname: str
    tags: Tags


@dataclass(frozen=True, slots=True)
class Subject:
    """A proxy, or an external service on a zone egress, as policies see it."""

    mesh: str
    name: str
    labels: Tags
    zone: str = ""
    namespace: str = ""
    inbounds: tuple[SubjectInbound, ...] = ()
    gateway: str = ""
    gateway_tags: Tags = frozenset()
    listeners: tuple[SubjectListener, ...] = ()


def pairs(tags: Mapping[str, str] | Iterable[tuple[str, str]]) -> Tags:
    """Tags as a set of pairs, whose subset test is the match of a selector."""
    return frozenset(tags.items() if isinstance(tags, Mapping) else tags)


def dataplane_subject(resource: Resource, listeners: tuple[SubjectListener, ...] = ()) -> Subject:
    """The subject of a Dataplane.

    Args:
        resource: the Dataplane.
        listeners: for a builtin gateway, the listeners of its MeshGateway.
    """
    dataplane = parse_dataplane(resource)
    gateway = dataplane.gateway
    return Subject(
        mesh=resource.mesh,
        name=resource.display_name,
        labels=pairs(resource.labels),
        zone=resource.labels.get(ZONE, ""),
        namespace=resource.labels.get(NAMESPACE, ""),
        inbounds=tuple(
            SubjectInbound(inbound.name, inbound.port, pairs(inbound.tags)) for inbound in dataplane.inbounds
        ),
        gateway="" if gateway is None else BUILTIN if gateway.builtin else DELEGATED,
        gateway_tags=frozenset() if gateway is None else pairs(gateway.tags),
        listeners=listeners,
    )


def gateway_listeners(mesh_gateway: Resource, tags: Mapping[str, str]) -> Iterator[SubjectListener]:
    """The listeners of a MeshGateway for a Dataplane with these tags, in their order."""
    own = mesh_gateway.spec.get("tags", {})
    for listener in mesh_gateway.spec.get("conf", {}).get("listeners", ()):
        every = pairs({**tags, **own, **listener.get("tags", {})})
        port = int(listener.get("port", 0))
        yield SubjectListener(mesh_gateway.display_name, port, listener.get("hostname", ""), every)


def external_service_subject(resource: Resource) -> Subject:
    """The subject by which a zone egress finds the policies of an ExternalService: one inbound with its tags."""
    return Subject(
        mesh=resource.mesh,
        name=resource.display_name,
        labels=pairs(resource.labels),
        zone=resource.labels.get(ZONE, ""),
        inbounds=(SubjectInbound("", 0, pairs(resource.spec.get("tags") or {})),),
    )
