"""What `to` items mean for real resources: services (and single ports of them) and routes, each with its merged conf.

Every item is resolved to the resources it names; for each resource that is named, and for each section of it, the confs
of all items that cover it are merged. An item for the whole mesh covers everything, one for a service covers its ports.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ursa.model.resource import Resource, ResourceKey
from ursa.policies.core.policy import Effective, Policy, effective_items
from ursa.policies.core.precedence import destination_order
from ursa.policies.core.references import sections_meant
from ursa.policies.core.target_ref import MESH, MESH_HTTP_ROUTE


@dataclass(frozen=True, slots=True)
class ResourceRule:
    """The merged conf for a resource; `section` is empty for all of it, `resource` is the Mesh for everything."""

    resource: Resource
    section: str
    effective: Effective


def resource_rules(
    policies: Iterable[Policy], resources: Iterable[Resource], mesh: Resource | None
) -> Iterator[ResourceRule]:
    """The rules of policies of one kind.

    Args:
        policies: that select the proxy, in any order.
        resources: what their items can mean: services and routes of the mesh.
        mesh: the Mesh; items for the whole of it mean nothing without.
    """
    entries = [e for e in destination_order(policies) if e[0].target.kind != MESH_HTTP_ROUTE]
    if mesh is None:
        entries = [e for e in entries if e[1].target.kind != MESH]
    elif (general := effective_items(e for e in entries if e[1].target.kind == MESH)) is not None:
        yield ResourceRule(mesh, "", general)
    for resource in resources:
        reached = {id(item): sections_meant(policy, item.target, resource) for policy, item in entries}
        for section in sorted({section for sections in reached.values() for section in sections}):
            covering = (e for e in entries if e[1].target.kind == MESH or {"", section} & reached[id(e[1])])
            found = effective_items(covering)
            if found is not None:
                yield ResourceRule(resource, section, found)


def lookup(rules: Iterable[ResourceRule], resource: Resource, section: str) -> Effective | None:
    """What counts for a section of a resource: the rule for it, else for all of the resource, else for the mesh."""
    known = {(rule.resource.key, rule.section): rule.effective for rule in rules}
    of_mesh = ResourceKey("Mesh", "", resource.mesh)
    chain = ((resource.key, section), (resource.key, ""), (of_mesh, ""))
    return next((known[place] for place in chain if place in known), None)
