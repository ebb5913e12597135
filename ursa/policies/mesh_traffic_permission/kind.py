"""MeshTrafficPermission's declaration and rules of validation."""

from __future__ import annotations

from collections.abc import Iterator

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.kind import Kind, PolicyTraits
from ursa.model.resource import Resource
from ursa.policies.core.attachment import CLIENTS, PROXIES, Attachment, check_items
from ursa.policies.core.checks import must_be_defined, spiffe_match
from ursa.policies.core.declare import policy_kind
from ursa.policies.core.warnings import client_warnings

_ATTACHMENT = Attachment(top=PROXIES)
_LISTS = ("allow", "allowWithShadowDeny", "deny")


def kind() -> Kind:
    """Declares MeshTrafficPermission."""
    return policy_kind(
        "MeshTrafficPermission",
        short="mtp",
        path="meshtrafficpermissions",
        title="Mesh Traffic Permission",
        titles="Mesh Traffic Permissions",
        traits=PolicyTraits(has_from=True, has_rules=True),
        validate=lambda resource: tuple(_violations(resource)),
        warnings=client_warnings,
    )


def _violations(resource: Resource) -> Iterator[Violation]:
    spec = resource.spec
    yield from _ATTACHMENT.check(resource)
    if not (spec.get("from") or spec.get("rules")):
        yield Violation("spec", "at least one of 'from' or 'rules' has to be defined")
    if spec.get("from") and spec.get("rules"):
        yield Violation("spec", "field 'from' must be empty when 'rules' is defined")
    yield from check_items(resource, "from", CLIENTS, _check_action)
    for index, rule in enumerate(spec.get("rules") or ()):
        yield from _check_rule(f"spec.rules[{index}]", rule.get("default") or {})


def _check_action(field: str, conf: JsonObject) -> Iterator[Violation]:
    if not conf.get("action"):
        yield must_be_defined(f"{field}.action")


def _check_rule(field: str, conf: JsonObject) -> Iterator[Violation]:
    if not any(conf.get(name) for name in _LISTS):
        names = ", ".join(f"'{name}'" for name in _LISTS)
        yield Violation(field, f"at least one of {names} has to be defined")
    for name in _LISTS:
        for index, match in enumerate(conf.get(name) or ()):
            yield from spiffe_match(f"{field}.{name}[{index}]", match)
