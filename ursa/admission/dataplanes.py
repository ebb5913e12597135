"""What happens to a Dataplane on its way in: the zone's tag, probed inbounds, membership, workload label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ursa.errors import BadRequest, Violation
from ursa.model.json import JsonObject
from ursa.model.labels import WORKLOAD, ZONE_TAG
from ursa.model.names import is_dns_1035
from ursa.model.resource import Resource

_DNS_1035 = (
    "must be a valid DNS-1035 label (at most 63 characters, matching regex [a-z]([-a-z0-9]*[a-z0-9])?): "
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)


def check_workload(dataplane: Resource) -> None:
    """Raises BadRequest, as Kuma does, when the workload label could not become the name of a Workload."""
    workload = dataplane.labels.get(WORKLOAD)
    if workload is not None and not is_dns_1035(workload):
        raise BadRequest(f'labels["{WORKLOAD}"]: {_DNS_1035}')


def prepared(dataplane: Resource, zone: str, before: Resource | None) -> Resource:
    """The Dataplane as it is stored: every part tagged with the zone, probed inbounds not ready until they are seen.

    An inbound that was there before keeps the health that was observed for it.
    """
    networking = dict(dataplane.spec.get("networking", {}))
    seen = {i.get("port"): i for i in _inbounds(before)} if before is not None else {}
    if networking.get("inbound"):
        networking["inbound"] = [_inbound(i, zone, seen.get(i.get("port"))) for i in networking["inbound"]]
    if networking.get("gateway"):
        networking["gateway"] = _tagged(networking["gateway"], zone)
    return dataplane.with_spec({**dataplane.spec, "networking": networking})


def membership_violations(dataplane: Resource, mesh: Resource) -> Iterator[Violation]:
    """Constraints of the Mesh that the Dataplane does not meet."""
    constraints = mesh.spec.get("constraints", {}).get("dataplaneProxy", {})
    required, forbidden = constraints.get("requirements", []), constraints.get("restrictions", [])
    for field, tags in _tag_sets(dataplane):
        about = f'dataplane cannot be a member of mesh "{mesh.name}" because its tags "{_text(tags)}"'
        if required and not any(_matches(rule, tags) for rule in required):
            yield Violation(field, f"{about} does not fulfill any requirements defined on the Mesh")
        for rule in forbidden:
            if _matches(rule, tags):
                given = _text(rule.get("tags", {}))
                yield Violation(field, f'{about} matches restricted tags "{given}" defined on the Mesh')


def _inbounds(dataplane: Resource) -> list[dict[str, Any]]:
    inbounds: list[dict[str, Any]] = dataplane.spec.get("networking", {}).get("inbound", [])
    return inbounds


def _inbound(inbound: JsonObject, zone: str, before: JsonObject | None) -> JsonObject:
    tagged = _tagged(inbound, zone)
    if "serviceProbe" not in inbound:
        return tagged
    if before is not None and "serviceProbe" in before:
        kept = {key: before[key] for key in ("state", "health") if key in before}
        return {**{k: v for k, v in tagged.items() if k not in ("state", "health")}, **kept}
    return {**tagged, "state": "NotReady", "health": {}}


def _tagged(part: JsonObject, zone: str) -> JsonObject:
    return {**part, "tags": {**part.get("tags", {}), ZONE_TAG: zone}}


def _tag_sets(dataplane: Resource) -> Iterator[tuple[str, Mapping[str, str]]]:
    for index, inbound in enumerate(_inbounds(dataplane)):
        yield f"networking.inbound[{index}].tags", inbound.get("tags", {})
    gateway = dataplane.spec.get("networking", {}).get("gateway")
    if gateway:
        yield "networking.gateway.tags", gateway.get("tags", {})


def _matches(rule: JsonObject, tags: Mapping[str, str]) -> bool:
    return all(k in tags and v in ("*", tags[k]) for k, v in rule.get("tags", {}).items())


def _text(tags: Mapping[str, str]) -> str:
    return " ".join(f"{k}={tags[k]}" for k in sorted(tags))
