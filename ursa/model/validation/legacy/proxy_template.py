"""Rules of ProxyTemplates: imports, whole resources, modifications of generated ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.model.validation.native import FILTERS, native_error, raw_resource_error
from ursa.model.validation.selectors import selectors
from ursa.model.validation.values import EMPTY, needed

PROFILES = ("default-proxy", "egress-proxy", "gateway-proxy", "ingress-proxy")
_ON_PARTS = ("add", "patch", "remove")
_ON_FILTERS = ("addFirst", "addLast", "addBefore", "addAfter", "patch", "remove")
_NEXT_TO = {"addBefore": "before", "addAfter": "after"}
_INVALID = "native Envoy resource is not valid: "


def proxy_template_violations(resource: Resource) -> Sequence[Violation]:
    """Everything wrong with a ProxyTemplate; one without selectors is for every proxy."""
    spec = resource.spec
    conf = spec.get("conf", {})
    found = list(selectors("selectors", spec["selectors"], service=True)) if spec.get("selectors") else []
    for index, profile in enumerate(conf.get("imports", [])):
        if not profile:
            found.append(Violation(f"conf.imports[{index}]", EMPTY))
        elif profile not in PROFILES:
            reason = f"profile not found. Available profiles: {','.join(PROFILES)}"
            found.append(Violation(f"conf.imports[{index}]", reason))
    for index, raw in enumerate(conf.get("resources", [])):
        found += _raw(f"conf.resources[{index}]", raw)
    for index, modification in enumerate(conf.get("modifications", [])):
        for part, body in modification.items():
            found += _modification(f"conf.modifications[{index}].{part}", part, body)
    return found


def _raw(field: str, raw: JsonObject) -> Iterator[Violation]:
    yield from needed(field, raw, ("name", "version", "resource"))
    if raw.get("resource") and (error := raw_resource_error(raw["resource"])):
        yield Violation(f"{field}.resource", _INVALID + error)


def _modification(field: str, part: str, body: JsonObject) -> Iterator[Violation]:
    operation, value = body.get("operation", ""), body.get("value", "")
    allowed = _ON_FILTERS if part in FILTERS else _ON_PARTS
    if operation not in allowed:
        listed = ", ".join(f'"{one}"' for one in allowed)
        yield Violation(f"{field}.operation", f"invalid operation. Available operations: {listed}")
        return
    yield from _match(f"{field}.match", part, operation, body.get("match"))
    if operation == "remove":
        if value:
            yield Violation(f"{field}.value", "cannot be defined")
    elif error := native_error(part, value, complete=operation != "patch"):
        yield Violation(f"{field}.value", _INVALID + error)


def _match(field: str, part: str, operation: str, match: JsonObject | None) -> Iterator[Violation]:
    name = (match or {}).get("name")
    if operation in _NEXT_TO and not name:
        reason = f"cannot be empty. You need to pick a filter {_NEXT_TO[operation]} which this one will be added"
        yield Violation(f"{field}.name", reason)
    if part in FILTERS and operation == "patch" and not name:
        yield Violation(f"{field}.name", EMPTY)
    if operation != "add" or match is None:
        return
    if part != "virtualHost":
        yield Violation(field, "cannot be defined")
    elif name:
        yield Violation(f"{field}.name", "cannot be defined")
