"""Selectors of source/destination policies: the same rules for a dozen kinds, told apart by a few facts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.resource import Resource

SERVICE = "kuma.io/service"
_NAME = re.compile(r"[a-zA-Z0-9.\-_:/]*")
_VALUE = re.compile(r"([a-zA-Z0-9.\-_:/]*|\*)")

Validate = Callable[[Resource], Sequence[Violation]]


def connection_policy(*, source_service: bool = False, destination_only_service: bool = False) -> Validate:
    """Rules of a policy with sources and destinations.

    Args:
        source_service: whether sources must name `kuma.io/service`.
        destination_only_service: whether destinations may name nothing else.
    """

    def validate(resource: Resource) -> Sequence[Violation]:
        spec = resource.spec
        return [
            *selectors("sources", spec.get("sources", []), service=source_service),
            *selectors(
                "destinations",
                spec.get("destinations", []),
                service=destination_only_service,
                only_service=destination_only_service,
            ),
        ]

    return validate


def dataplane_policy(*, service: bool = False) -> Validate:
    """Rules of a policy that selects proxies."""

    def validate(resource: Resource) -> Sequence[Violation]:
        return list(selectors("selectors", resource.spec.get("selectors", []), service=service))

    return validate


def selectors(
    field: str, values: Sequence[JsonObject], *, service: bool = False, only_service: bool = False
) -> Iterator[Violation]:
    """Rules of a list of selectors."""
    if not values:
        yield Violation(field, "must have at least one element")
    for index, selector in enumerate(values):
        yield from tag_selector(
            f"{field}[{index}].match", selector.get("match", {}), service=service, only_service=only_service
        )


def tag_selector(
    field: str, match: JsonObject, *, service: bool = False, only_service: bool = False
) -> Iterator[Violation]:
    """Rules of one map of tags."""
    if only_service and list(match) != [SERVICE]:
        yield Violation(field, 'must consist of exactly one tag "kuma.io/service"')
    elif not match:
        yield Violation(field, "must have at least one tag")
    for key in sorted(match):
        value, place = match[key], f'{field}["{key}"]'
        if not _NAME.fullmatch(key):
            yield Violation(
                place, "tag name must consist of alphanumeric characters, dots, dashes, slashes and underscores"
            )
        if only_service and key != SERVICE:
            yield Violation(place, f'tag "{key}" is not allowed')
        if not value:
            yield Violation(place, "tag value must be non-empty")
        if not _VALUE.fullmatch(value):
            yield Violation(
                place,
                'tag value must consist of alphanumeric characters, dots, dashes, slashes and underscores or be "*"',
            )
    if service and SERVICE not in match:
        yield Violation(field, 'mandatory tag "kuma.io/service" is missing')
