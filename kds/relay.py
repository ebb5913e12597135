"""Which resources of a zone the global passes on to other zones (`spec/kds.md` §4.1.5, §4.2)."""

from __future__ import annotations

from ursa.model.json import JsonObject
from ursa.model.labels import NAMESPACE, POLICY_ROLE, ZONE, ZONE_TAG
from ursa.model.resource import Resource

PRODUCER = "producer"
"""Role of a policy that a service's owner writes for those who call it."""

_SERVICE_KINDS = ("MeshService", "MeshHTTPRoute")


def zone_of(resource: Resource) -> str:
    """The zone a zone-originated resource belongs to."""
    if resource.kind in ("ZoneIngress", "ZoneEgress") and resource.spec.get("zone"):
        return str(resource.spec["zone"])
    if resource.kind == "Dataplane" and (tagged := _zone_of_dataplane(resource.spec)):
        return tagged
    return resource.labels.get(ZONE) or resource.name.partition(".")[0]


def is_producer(resource: Resource) -> bool:
    """Whether a policy says it is a producer's, and is one."""
    namespace = resource.labels.get(NAMESPACE)
    if resource.labels.get(POLICY_ROLE) != PRODUCER or namespace is None:
        return False
    spec = resource.spec
    return bool(spec.get("to")) and not spec.get("from") and all(_is_own(to, namespace) for to in spec["to"])


def only_zone(resource: Resource) -> str:
    """The one zone for which a policy is made, empty for all."""
    target = resource.spec.get("targetRef") or {}
    if target.get("kind") != "MeshSubset":
        return ""
    return str((target.get("tags") or {}).get(ZONE_TAG, ""))


def _is_own(entry: JsonObject, namespace: str) -> bool:
    target = entry.get("targetRef") or {}
    return (
        target.get("kind") in _SERVICE_KINDS
        and bool(target.get("name"))
        and target.get("namespace", namespace) in ("", namespace)
    )


def _zone_of_dataplane(spec: JsonObject) -> str:
    networking = spec.get("networking", {})
    holders = [networking["gateway"]] if networking.get("gateway") else networking.get("inbound", [])[:1]
    return str(holders[0].get("tags", {}).get(ZONE_TAG, "")) if holders else ""
