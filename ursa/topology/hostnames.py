"""Names that HostnameGenerators give to services: which generators mean a service, and what their templates say.

A template that cannot be read, or that asks for a label that is not there, gives no name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ursa.errors import BadRequest
from ursa.model.go_templates import parse, render
from ursa.model.labels import DISPLAY_NAME, GLOBAL, IN_ZONE, NAMESPACE, ORIGIN, ZONE
from ursa.model.resource import Resource

SELECTORS: Mapping[str, str] = {
    "MeshService": "meshService",
    "MeshExternalService": "meshExternalService",
    "MeshMultiZoneService": "meshMultiZoneService",
}
"""The selector of a generator, by the kind it selects."""


def selects(generator: Resource, service: Resource) -> bool:
    """Whether a generator means a service; a service without an origin label counts as one of the global."""
    selector = (generator.spec.get("selector") or {}).get(SELECTORS[service.kind])
    if selector is None:
        return False
    labels = {ORIGIN: GLOBAL, DISPLAY_NAME: service.display_name, **service.labels}
    wanted: Mapping[str, str] = selector.get("matchLabels") or {}
    return wanted.items() <= labels.items()


def hostname(template: str, service: Resource) -> str:
    """What a template says for a service.

    Raises:
        BadRequest: the template asks for what is not there, or is not one.
    """
    fields = {
        "DisplayName": service.display_name,
        "Name": service.name,
        "Namespace": service.labels.get(NAMESPACE, ""),
        "Zone": service.labels.get(ZONE, ""),
        "Mesh": service.mesh,
    }
    return render(parse(template), fields, service.labels)


def zone_of(resource: Resource) -> str:
    """The zone a resource comes from: its label, otherwise, as in Kuma, what its name starts with."""
    return resource.labels.get(ZONE) or resource.name.partition(".")[0]


def hostnames(service: Resource, generators: Iterable[Resource]) -> Iterator[tuple[str, str]]:
    """Every name of a service with the zone it is for; a zone's own generator counts for that zone's services only."""
    zone = zone_of(service)
    for generator in generators:
        if generator.labels.get(ORIGIN) == IN_ZONE and zone_of(generator) != zone:
            continue
        if selects(generator, service):
            try:
                yield hostname(generator.spec["template"], service), zone
            except BadRequest:
                continue
