"""Which objects of a list a query asks for: by name, by label, by tag, by sort of gateway or service."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from multidict import MultiMapping

from ursa.errors import BadRequest, InvalidResource, Violation
from ursa.model.json import JsonObject
from ursa.model.kind import Kind
from ursa.model.resource import Resource

Accept = Callable[[Resource], bool]

_FILTER = re.compile(r"filter\[([^\]]*)\](.*)")
_LABELS = "labels."
SERVICE_TYPES = ("internal", "external", "gateway_builtin", "gateway_delegated")


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of a list request and the route they came on, which messages name."""

    parameters: MultiMapping[str]
    route: str


def matching(resources: Iterable[Resource], kind: Kind, query: Query) -> Sequence[Resource]:
    """The resources that a query asks for, in order.

    Raises:
        InvalidResource: a filter is not one we have.
        BadRequest: a service type is not one there is.
    """
    tests = list(_tests(kind, query))
    return [r for r in resources if all(test(r) for test in tests)]


def _tests(kind: Kind, query: Query) -> Iterator[Accept]:
    parameters = query.parameters
    if name := parameters.get("name"):
        yield lambda r: name in r.name
    yield from _by_labels(query)
    if kind.name in ("Dataplane", "ExternalService"):
        for tag in parameters.getall("tag", []):
            if ":" in tag:
                yield _by_tag(*tag.split(":", 1))
    if kind.name == "Dataplane" and "gateway" in parameters:
        yield _by_gateway(parameters["gateway"], query)
    if kind.name == "ServiceInsight" and "type" in parameters:
        yield _by_service_type(parameters["type"])


def _by_labels(query: Query) -> Iterator[Accept]:
    found = []
    for parameter, value in query.parameters.items():
        match = _FILTER.fullmatch(parameter)
        if match is None:
            continue
        field = f"{query.route}.{parameter}"
        if match[2]:
            found.append(Violation(field, "advanced filters are not supported"))
        elif not match[1].startswith(_LABELS):
            found.append(Violation(field, "filters are only supported on labels"))
        else:
            yield _label(match[1].removeprefix(_LABELS), value)
    if found:
        raise InvalidResource(found)


def _label(key: str, value: str) -> Accept:
    return lambda r: r.labels.get(key) == value


def _by_tag(key: str, part: str) -> Accept:
    """Kuma compares a part of the value; scripts rely on it."""
    return lambda r: any(part in tags[key] for tags in _tag_sets(r) if key in tags)


def _tag_sets(resource: Resource) -> Iterator[JsonObject]:
    if resource.kind == "ExternalService":
        yield resource.spec.get("tags", {})
        return
    networking = resource.spec.get("networking", {})
    for part in (*networking.get("inbound", ()), networking.get("gateway") or {}):
        yield part.get("tags", {})


def _by_gateway(value: str, query: Query) -> Accept:
    wanted = value.lower()
    if wanted not in ("true", "false", "builtin", "delegated"):
        reason = f"shoud use `true`, `false`, 'builtin' or 'delegated' instead of {value}"
        raise InvalidResource([Violation(f"{query.route}.gateway", reason)])

    def accept(resource: Resource) -> bool:
        gateway = resource.spec.get("networking", {}).get("gateway")
        if wanted in ("true", "false"):
            return (gateway is not None) == (wanted == "true")
        return gateway is not None and (gateway.get("type") == "BUILTIN") == (wanted == "builtin")

    return accept


def _by_service_type(value: str) -> Accept:
    wanted = frozenset(value.split(","))
    if not wanted <= frozenset(SERVICE_TYPES):
        raise BadRequest("unsupported service type")
    return lambda r: r.spec.get("serviceType", "internal") in wanted
