"""Host names that HostnameGenerators give to services.

Generators of the zone come before those of the global, older ones before newer ones; a name belongs to whoever got it
first. Templates know the fields and the function of Kuma's; anything else in one is an error of that generator alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from ursa.model.json import JsonObject
from ursa.model.labels import IN_ZONE, NAMESPACE, ORIGIN, ZONE
from ursa.model.resource import Resource, ResourceKey

SELECTORS = {
    "MeshService": "meshService",
    "MeshExternalService": "meshExternalService",
    "MeshMultiZoneService": "meshMultiZoneService",
}
"""How generators select each kind."""

_ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}")
_LABEL = re.compile(r'label\s+"([^"]*)"')


class TemplateError(ValueError):
    """A template that cannot be rendered for a service."""


def render(template: str, service: Resource, zone: str) -> str:
    """The host name a template gives a service; raises TemplateError."""
    fields = {
        ".DisplayName": service.display_name,
        ".Name": service.name,
        ".Namespace": service.labels.get(NAMESPACE, ""),
        ".Zone": service.labels.get(ZONE, zone),
        ".Mesh": service.mesh,
    }

    def value(action: re.Match[str]) -> str:
        if action[1] in fields:
            return fields[action[1]]
        if (label := _LABEL.fullmatch(action[1])) is None:
            raise TemplateError(f"cannot evaluate {action[1]}")
        if label[1] not in service.labels:
            raise TemplateError(f"label {label[1]} not found")
        return service.labels[label[1]]

    return _ACTION.sub(value, template)


def in_order(generators: Iterable[Resource]) -> list[Resource]:
    """Generators in the order in which they give names."""
    return sorted(generators, key=lambda g: (g.labels.get(ORIGIN) != IN_ZONE, g.created, g.name))


def with_hostnames(services: Sequence[Resource], generators: Sequence[Resource], zone: str) -> list[Resource]:
    """Services of one kind and one mesh with all their names.

    Args:
        services: the services.
        generators: in order.
        zone: that of services without a label.
    """
    taken: dict[str, Resource] = {}
    addresses: dict[ResourceKey, list[JsonObject]] = {service.key: [] for service in services}
    outcomes: dict[ResourceKey, list[JsonObject]] = {service.key: [] for service in services}
    for generator in generators:
        for service in sorted(services, key=lambda s: (s.created, s.name)):
            if not _selects(generator, service):
                continue
            reference = {"hostnameGeneratorRef": {"coreName": generator.name}}
            hostname, condition = _generate(generator, service, zone, taken)
            if hostname:
                taken[hostname] = service
                addresses[service.key].append({"hostname": hostname, "origin": "HostnameGenerator", **reference})
            outcomes[service.key].append({**reference, "conditions": [condition]})
    return [_named(service, addresses[service.key], outcomes[service.key]) for service in services]


def _generate(
    generator: Resource, service: Resource, zone: str, taken: Mapping[str, Resource]
) -> tuple[str, JsonObject]:
    """The name a generator gives a service, empty when it cannot, and how that went."""
    try:
        hostname = render(str(generator.spec.get("template", "")), service, zone)
    except TemplateError as error:
        return "", _condition("TemplateError", str(error))
    holder = taken.get(hostname)
    if holder is not None and holder.key != service.key:
        return "", _condition("Collision", f"Hostname collision with {holder.kind}: {holder.name}")
    return hostname, _condition("Generated", "")


def _selects(generator: Resource, service: Resource) -> bool:
    selector: JsonObject | None = generator.spec.get("selector", {}).get(SELECTORS[service.kind])
    return selector is not None and selector.get("matchLabels", {}).items() <= service.labels.items()


def _condition(reason: str, message: str) -> JsonObject:
    status = "True" if reason == "Generated" else "False"
    return {"type": "Generated", "status": status, "reason": reason, "message": message}


def _named(service: Resource, addresses: list[JsonObject], outcomes: list[JsonObject]) -> Resource:
    status = {k: v for k, v in (service.status or {}).items() if k not in ("addresses", "hostnameGenerators")}
    if addresses:
        status["addresses"] = addresses
    if outcomes:
        status["hostnameGenerators"] = outcomes
    return service.with_status(status)
