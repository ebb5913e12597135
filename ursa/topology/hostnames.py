"""Host names as inspection shows them: what generators say of a service, wherever its status is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ursa.errors import BadRequest
from ursa.model.labels import DISPLAY_NAME, GLOBAL, IN_ZONE, ORIGIN, ZONE
from ursa.model.resource import Resource
from ursa.topology.services.hostnames import SELECTORS, hostname


def hostnames(service: Resource, generators: Iterable[Resource]) -> Iterator[tuple[str, str]]:
    """Every name of a service with the zone it is for; a zone's own generator counts for that zone's services only."""
    zone = _zone_of(service)
    for generator in generators:
        if generator.labels.get(ORIGIN) == IN_ZONE and _zone_of(generator) != zone:
            continue
        if _selects(generator, service):
            try:
                yield hostname(str(generator.spec.get("template", "")), service, zone), zone
            except BadRequest:
                continue


def _selects(generator: Resource, service: Resource) -> bool:
    """Whether a generator means a service; a service without an origin label counts as one of the global."""
    selector = (generator.spec.get("selector") or {}).get(SELECTORS[service.kind])
    if selector is None:
        return False
    labels = {ORIGIN: GLOBAL, DISPLAY_NAME: service.display_name, **service.labels}
    wanted: Mapping[str, str] = selector.get("matchLabels") or {}
    return wanted.items() <= labels.items()


def _zone_of(resource: Resource) -> str:
    """The zone a resource comes from: its label, otherwise, as in Kuma, what its name starts with."""
    return resource.labels.get(ZONE) or resource.name.partition(".")[0]
