"""Rules of the templates in specs, and of HostnameGenerators, which are little else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ursa.errors import BadRequest, Violation
from ursa.model.go_templates import parse
from ursa.model.resource import Resource


def template(field: str, text: str) -> Iterator[Violation]:
    """A template that must be readable; whether its fields are there is seen when it is filled in."""
    try:
        parse(text)
    except BadRequest as error:
        yield Violation(field, f"couldn't parse template: {error}")


def hostname_generator_violations(resource: Resource) -> Sequence[Violation]:
    """Everything wrong with a HostnameGenerator beyond its schema."""
    return list(template("spec.template", resource.spec.get("template", "")))
