"""Which resources a reference of a policy means: services (and single ports of them) and routes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ursa.model.json import JsonObject
from ursa.model.labels import DISPLAY_NAME, NAMESPACE, ZONE
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


def routes_meant(policy: Policy, routes: Iterable[Policy]) -> Iterator[Policy]:
    """The MeshHTTPRoutes that a policy is attached to."""
    return (route for route in routes if means(policy, policy.target, route.resource))


def sections_meant(policy: Policy, target: TargetRef, resource: Resource) -> frozenset[str]:
    """The sections of a resource that an item means: `""` for all of it, nothing when it means another one."""
    if target.kind != resource.kind:
        return frozenset()
    if means(policy, target, resource):
        if target.section and target.section not in section_names(resource):
            return frozenset()
        return frozenset({target.section})
    return frozenset(_of_tag_service(target.name, resource))


def means(policy: Policy, target: TargetRef, resource: Resource) -> bool:
    """Whether a reference means the resource: by labels, or by the name it has in the policy's zone and namespace."""
    if target.name:
        place = (policy.zone, target.namespace or policy.namespace)
        return target.name == resource.display_name and place == _place(resource)
    labels = {DISPLAY_NAME: resource.display_name, **resource.labels}
    return bool(target.labels) and target.labels.items() <= labels.items()


def section_names(resource: Resource) -> Mapping[str, JsonObject]:
    """The ports of a service by name; one without a name is known by its number."""
    return {str(port.get("name") or port.get("port", 0)): port for port in resource.spec.get("ports", ())}


def _place(resource: Resource) -> tuple[str, str]:
    return resource.labels.get(ZONE, ""), resource.labels.get(NAMESPACE, "")


def _of_tag_service(name: str, resource: Resource) -> Iterator[str]:
    """A service tag of Kubernetes, `name_namespace_svc_port`, means that port of the MeshService as well."""
    parts = name.split("_")
    if resource.kind != MESH_SERVICE or len(parts) != _TAG_SERVICE_PARTS or parts[2] != "svc":
        return
    if (parts[0], parts[1]) == (resource.display_name, resource.labels.get(NAMESPACE, "")):
        yield from (section for section, port in section_names(resource).items() if str(port.get("port")) == parts[3])
