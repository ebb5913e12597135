"""Host names that HostnameGenerators give to services.

Generators of the zone come before those of the global, older ones before newer ones; a name belongs to whoever got it
first. A template that cannot be rendered for a service is an error of that generator alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ursa.errors import BadRequest
from ursa.model.go_templates import parse, render
from ursa.model.json import JsonObject
from ursa.model.labels import IN_ZONE, NAMESPACE, ORIGIN, ZONE
from ursa.model.resource import Resource, ResourceKey

SELECTORS = {
    "MeshService": "meshService",
    "MeshExternalService": "meshExternalService",
    "MeshMultiZoneService": "meshMultiZoneService",
}
"""How generators select each kind."""


def hostname(template: str, service: Resource, zone: str) -> str:
    """The host name a template gives a service.

    Raises:
        BadRequest: the template is none, or asks for what the service does not have.
    """
    fields = {
        "DisplayName": service.display_name,
        "Name": service.name,
        "Namespace": service.labels.get(NAMESPACE, ""),
        "Zone": service.labels.get(ZONE, zone),
        "Mesh": service.mesh,
    }
    return render(parse(template), fields, service.labels)


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
            name, condition = _generate(generator, service, zone, taken)
            if name:
                taken[name] = service
                addresses[service.key].append({"hostname": name, "origin": "HostnameGenerator", **reference})
            outcomes[service.key].append({**reference, "conditions": [condition]})
    return [_named(service, addresses[service.key], outcomes[service.key]) for service in services]


def _generate(
    generator: Resource, service: Resource, zone: str, taken: Mapping[str, Resource]
) -> tuple[str, JsonObject]:
    """The name a generator gives a service, empty when it cannot, and how that went."""
    try:
        name = hostname(str(generator.spec.get("template", "")), service, zone)
    except BadRequest as error:
        return "", _condition("TemplateError", str(error))
    holder = taken.get(name)
    if holder is not None and holder.key != service.key:
        return "", _condition("Collision", f"Hostname collision with {holder.kind}: {holder.name}")
    return name, _condition("Generated", "")


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
