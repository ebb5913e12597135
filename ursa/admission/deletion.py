"""What may be deleted, and what goes along with it."""

from __future__ import annotations

from collections.abc import Iterator

from ursa.admission.authorities import secrets_in_use
from ursa.admission.place import Place
from ursa.admission.refusals import Stage, refuse
from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.kind import Registry, Scope
from ursa.model.labels import GLOBAL, IN_ZONE, ORIGIN, ZONE
from ursa.model.resource import Resource, ResourceKey
from ursa.view.view import View


def check_deletion(resource: Resource, view: View, place: Place) -> None:
    """Raises Refused when something still needs the object, or when another control plane owns it."""
    refuse(Stage.DELETING, [*_needed(resource, view), *_foreign(resource, view, place)])


def owned_by(resource: Resource, view: View, registry: Registry, place: Place) -> Iterator[ResourceKey]:
    """Everything that goes when this object goes: its insight, what lives in a Mesh, what a Zone has sent."""
    insight = registry[resource.kind].insight
    if insight and view.get(insight, resource.mesh, resource.name) is not None:
        yield ResourceKey(insight, resource.mesh, resource.name)
    if resource.kind == "Zone" and place.is_global:
        yield from (one.key for one in view.all() if _sent_by(one, resource.name))
    if resource.kind != "Mesh":
        return
    if view.get("MeshInsight", "", resource.name) is not None:
        yield ResourceKey("MeshInsight", "", resource.name)
    for kind in registry:
        if kind.scope is Scope.MESH:
            yield from (one.key for one in view.list(kind.name, resource.name))


def _sent_by(resource: Resource, zone: str) -> bool:
    return resource.labels.get(ORIGIN) == IN_ZONE and resource.labels.get(ZONE) == zone


def is_online(insight: Resource | None) -> bool:
    """Whether some subscription of an insight is still connected."""
    subscriptions: list[JsonObject] = insight.spec.get("subscriptions", []) if insight is not None else []
    return any("disconnectTime" not in s for s in subscriptions)


def _needed(resource: Resource, view: View) -> Iterator[Violation]:
    if resource.kind == "Mesh" and view.bucket("Dataplane", resource.name):
        yield Violation("mesh", "unable to delete mesh, there are still some dataplanes attached")
    elif resource.kind == "Zone" and is_online(view.get("ZoneInsight", "", resource.name)):
        yield Violation("zone", "unable to delete Zone, Zone CP is still connected, please shut it down first")
    elif resource.kind == "Secret" and (mesh := view.get("Mesh", "", resource.mesh)) is not None:
        for use in secrets_in_use(mesh):
            if use.secret == resource.name:
                yield Violation(
                    "name",
                    f'The secret "{resource.name}" that you are trying to remove is currently in use in Mesh '
                    f'"{mesh.name}" in mTLS backend "{use.backend}". Please remove the reference from the '
                    f'"{use.backend}" backend before removing the secret.',
                )


def _foreign(resource: Resource, view: View, place: Place) -> Iterator[Violation]:
    """A synced copy is deleted where it came from: here it would only be lost until the next sync (rest-api §9)."""
    origin, zone = resource.labels.get(ORIGIN), resource.labels.get(ZONE, "")
    field = f'labels["{ORIGIN}"]'
    if place.federated and origin == GLOBAL:
        yield Violation(field, "the resource belongs to the global control plane, delete it there")
    elif place.is_global and origin == IN_ZONE and zone and is_online(view.get("ZoneInsight", "", zone)):
        yield Violation(field, f"the resource belongs to zone '{zone}', delete it there")
