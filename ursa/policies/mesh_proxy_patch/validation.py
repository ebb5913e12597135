"""Rules of MeshProxyPatch's modifications."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.validation.native import FILTERS, PATCHABLE, native_error
from ursa.policies.core.checks import must_be_defined, must_not_be_defined, must_not_be_empty

_NEXT_TO = {"AddBefore": "before", "AddAfter": "after"}
_NEEDS_VALUE = ("add", "replace")
_NEEDS_FROM = ("move", "copy")


def check_modifications(field: str, conf: JsonObject) -> Iterator[Violation]:
    """Checks `appendModifications` of a conf."""
    modifications = conf.get("appendModifications") or ()
    if not modifications:
        yield must_not_be_empty(f"{field}.appendModifications")
    for index, modification in enumerate(modifications):
        place = f"{field}.appendModifications[{index}]"
        parts = [part for part in PATCHABLE if part in modification]
        if len(parts) != 1:
            reason = (
                f"exactly one modification can be defined at a time. Currently, {len(parts)} modifications are defined"
            )
            yield Violation(place, reason)
            continue
        yield from _check_modification(f"{place}.{parts[0]}", parts[0], modification[parts[0]])


def _check_modification(field: str, part: str, modification: JsonObject) -> Iterator[Violation]:
    operation = modification["operation"]
    if part in FILTERS:
        yield from _check_neighbour(f"{field}.match.name", operation, modification.get("match") or {})
    if operation == "Add":
        yield from _check_no_match(f"{field}.match", part, modification.get("match"))
    if operation == "Patch":
        yield from _check_patch(field, part, modification)
        return
    if "jsonPatches" in modification:
        yield must_not_be_defined(f"{field}.jsonPatches")
    if operation == "Remove":
        if "value" in modification:
            yield must_not_be_defined(f"{field}.value")
    elif not modification.get("value"):
        yield must_be_defined(f"{field}.value")
    else:
        yield from _check_value(f"{field}.value", native_error(part, modification["value"]))


def _check_neighbour(field: str, operation: str, match: JsonObject) -> Iterator[Violation]:
    """Filters are added next to a named one and patched by name."""
    if match.get("name"):
        return
    if operation in _NEXT_TO:
        side = _NEXT_TO[operation]
        reason = f"must be defined. You need to pick a filter {side} which this one will be added"
        yield Violation(field, reason)
    elif operation == "Patch":
        yield must_be_defined(field)


def _check_no_match(field: str, part: str, match: JsonObject | None) -> Iterator[Violation]:
    """What is added has no place in something that exists, except a virtual host, which goes into a route."""
    if match is None:
        return
    if part != "virtualHost":
        yield must_not_be_defined(field)
    elif match.get("name"):
        yield must_not_be_defined(f"{field}.name")


def _check_patch(field: str, part: str, modification: JsonObject) -> Iterator[Violation]:
    value, patches = modification.get("value"), modification.get("jsonPatches")
    if value is None and patches is None:
        yield Violation(field, f"{part} must have exactly one defined: value, jsonPatches")
    elif value is not None and patches is not None:
        yield Violation(field, f"{part} must have only one type defined: value, jsonPatches")
    if value is not None:
        yield from _check_value(f"{field}.value", native_error(part, value, complete=False))
    yield from _check_json_patches(f"{field}.jsonPatches", patches or ())


def _check_value(field: str, error: str) -> Iterator[Violation]:
    if error:
        yield Violation(field, f"native Envoy resource is not valid: {error}")


def _check_json_patches(field: str, patches: Sequence[JsonObject]) -> Iterator[Violation]:
    for index, patch in enumerate(patches):
        operation = patch["op"]
        if operation in _NEEDS_VALUE and "value" not in patch:
            reason = '"value" must not be empty when "op" is one of ["add", "replace"]'
            yield Violation(f"{field}[{index}].value", reason)
        if operation in _NEEDS_FROM and not patch.get("from"):
            reason = '"from" must not be empty when "op" is one of ["move", "copy"]'
            yield Violation(f"{field}[{index}].from", reason)
        if operation == "remove" and patch["path"] in ("", "/"):
            yield Violation(f"{field}[{index}].path", "root path cannot be removed")
