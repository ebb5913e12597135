"""Rules of VirtualOutbounds; their templates are tried with parameters that everything valid is made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from ursa.errors import BadRequest, Violation
from ursa.model.go_templates import parse, render
from ursa.model.json import JsonObject
from ursa.model.quoting import quoted
from ursa.model.resource import Resource
from ursa.model.validation.addresses import is_dns_name
from ursa.model.validation.fields import is_tag_name
from ursa.model.validation.selectors import SERVICE, dataplane_policy
from ursa.model.validation.values import UNDEFINED

_SELECTORS = dataplane_policy()
_KEY = re.compile(r"[a-zA-Z0-9]+")
_SAMPLE = "1"
"""A value with which templates of host names and of ports are both valid."""


def virtual_outbound_violations(resource: Resource) -> Sequence[Violation]:
    """Everything wrong with a VirtualOutbound."""
    found = list(_SELECTORS(resource))
    conf = resource.spec.get("conf")
    if conf is None:
        return [*found, Violation("conf", UNDEFINED)]
    parameters = conf.get("parameters", [])
    found += _parameters("conf.parameters", parameters)
    samples = {parameter.get("name", ""): _SAMPLE for parameter in parameters}
    for name, check in (("host", _host_error), ("port", _port_error)):
        template = conf.get(name)
        if not template:
            found.append(Violation(f"conf.{name}", UNDEFINED))
        elif error := _evaluate(template, samples, check):
            found.append(Violation(f"conf.{name}", f"template pre evaluation failed with error={quoted(error)}"))
    return found


def _parameters(field: str, parameters: Sequence[JsonObject]) -> Iterator[Violation]:
    seen = set()
    for index, parameter in enumerate(parameters):
        name, tag = parameter.get("name", ""), parameter.get("tagKey", "")
        place = f"{field}[{index}]"
        if name in seen:
            yield Violation(f"{place}.name", "name is already used")
        seen.add(name)
        if not _KEY.fullmatch(name):
            reason = "must consist of alphanumeric characters to be used as a gotemplate key"
            yield Violation(f"{place}.name", reason)
        if tag and not is_tag_name(tag):
            yield Violation(f"{place}.tagKey", "must be a valid tag name")
        if not tag and not is_tag_name(name):
            yield Violation(f"{place}.name", "must be a valid tag name if you are not setting tagKey")
    if not any((parameter.get("tagKey") or parameter.get("name")) == SERVICE for parameter in parameters):
        yield Violation(field, f"must contain a parameter with {SERVICE} as a tagKey")


def _evaluate(template: str, samples: dict[str, str], check: Callable[[str], str]) -> str:
    try:
        parts = parse(template)
    except BadRequest as error:
        return f"failed compiling gotemplate error={quoted(str(error))}"
    return check(render(parts, samples, absent="<no value>"))


def _host_error(host: str) -> str:
    if is_dns_name(host):
        return ""
    return f"evaluation of template with parameters didn't return a valid dns name result={quoted(host)}"


def _port_error(text: str) -> str:
    try:
        port = int(text)
    except ValueError:
        return f"evaluation of template with parameters didn't evaluate to a parsable number result={quoted(text)}"
    return (
        ""
        if 1 <= port <= 65535
        else f"evaluation of template returned a port outside of the range [1..65535] result={port}"
    )
