"""Which resources a reference of a policy means: services (and single ports of them) and routes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from ursa.model.labels import DISPLAY_NAME, NAMESPACE, ZONE
from ursa.model.real_service import RealService
from ursa.model.resource import Resource
from ursa.policies.core.policy import Policy
from ursa.policies.core.target_ref import (
    MESH_EXTERNAL_SERVICE,
    MESH_HTTP_ROUTE,
    MESH_MULTI_ZONE_SERVICE,
    MESH_SERVICE,
    TargetRef,
)

DESTINATION_KINDS = (MESH_SERVICE, MESH_MULTI_ZONE_SERVICE, MESH_EXTERNAL_SERVICE, MESH_HTTP_ROUTE)
"""Kinds of the resources that items can mean."""

_TAG_SERVICE_PARTS = 4


class Referable(Protocol):
    """What references look at in a resource."""

    @property
    def kind(self) -> str:
        """Type name."""

    @property
    def display_name(self) -> str:
        """Name given by the author."""

    @property
    def labels(self) -> Mapping[str, str]:
        """All labels."""


def routes_meant(policy: Policy, routes: Iterable[Policy]) -> Iterator[Policy]:
    """The MeshHTTPRoutes that a policy is attached to."""
    return (route for route in routes if means(policy, policy.target, route.resource))


def sections_meant(policy: Policy, target: TargetRef, resource: Resource | RealService) -> frozenset[str]:
    """The sections of a resource that an item means: `""` for all of it, nothing when it means another one."""
    if target.kind != resource.kind:
        return frozenset()
    if means(policy, target, resource):
        if target.section and target.section not in section_names(resource):
            return frozenset()
        return frozenset({target.section})
    return frozenset(_of_tag_service(target.name, resource))


def means(policy: Policy, target: TargetRef, resource: Referable) -> bool:
    """Whether a reference means the resource: by labels, or by the name it has in the policy's zone and namespace."""
    if target.name:
        place = (policy.zone, target.namespace or policy.namespace)
        return target.name == resource.display_name and place == _place(resource)
    labels = {DISPLAY_NAME: resource.display_name, **resource.labels}
    return bool(target.labels) and target.labels.items() <= labels.items()


def section_names(resource: Resource | RealService) -> Mapping[str, int]:
    """Numbers of a service's ports by their names; one without a name is known by its number."""
    if isinstance(resource, RealService):
        return {port.section: port.number for port in resource.ports}
    ports = ((port, int(port.get("port", 0))) for port in resource.spec.get("ports", ()))
    return {str(port.get("name") or number): number for port, number in ports}


def _place(resource: Referable) -> tuple[str, str]:
    return resource.labels.get(ZONE, ""), resource.labels.get(NAMESPACE, "")


def _of_tag_service(name: str, resource: Resource | RealService) -> Iterator[str]:
    """A service tag of Kubernetes, `name_namespace_svc_port`, means that port of the MeshService as well."""
    parts = name.split("_")
    if resource.kind != MESH_SERVICE or len(parts) != _TAG_SERVICE_PARTS or parts[2] != "svc":
        return
    if (parts[0], parts[1]) == (resource.display_name, resource.labels.get(NAMESPACE, "")):
        yield from (section for section, number in section_names(resource).items() if str(number) == parts[3])
