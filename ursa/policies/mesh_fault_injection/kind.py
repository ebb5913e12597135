"""MeshFaultInjection's declaration and rules of validation."""

from __future__ import annotations

from collections.abc import Iterator

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.kind import Kind, PolicyTraits
from ursa.model.resource import Resource
from ursa.policies.core.attachment import CLIENTS, Attachment
from ursa.policies.core.checks import bandwidth, non_negative_duration, percentage, spiffe_match, status_code
from ursa.policies.core.declare import policy_kind
from ursa.policies.core.gateway_scope import check_clients, check_gateway_routes
from ursa.policies.core.target_ref import MESH_GATEWAY
from ursa.policies.core.warnings import client_warnings

_ATTACHMENT = Attachment(system_top=(MESH_GATEWAY,))


def kind() -> Kind:
    """Declares MeshFaultInjection."""
    return policy_kind(
        "MeshFaultInjection",
        short="mfi",
        path="meshfaultinjections",
        title="Mesh Fault Injection",
        titles="Mesh Fault Injections",
        traits=PolicyTraits(has_to=True, has_from=True, has_rules=True),
        validate=lambda resource: tuple(_violations(resource)),
        warnings=client_warnings,
    )


def _violations(resource: Resource) -> Iterator[Violation]:
    yield from _ATTACHMENT.check(resource)
    if resource.spec.get("rules") and resource.spec.get("from"):
        yield Violation("spec", "field 'from' must be empty when 'rules' is defined")
    yield from check_clients(resource, CLIENTS, _check_conf)
    yield from check_gateway_routes(resource, _check_conf)
    for index, rule in enumerate(resource.spec.get("rules") or ()):
        field = f"spec.rules[{index}]"
        for place, match in enumerate(rule.get("matches") or ()):
            yield from spiffe_match(f"{field}.matches[{place}]", match)
        yield from _check_conf(f"{field}.default", rule.get("default") or {})


def _check_conf(field: str, conf: JsonObject) -> Iterator[Violation]:
    for index, faults in enumerate(conf.get("http") or ()):
        for name, fault in faults.items():
            # Kuma writes the index behind the kind of fault, not behind the list, and tools match on that path.
            place = f"{field}.http.{name}[{index}]"
            yield from percentage(f"{place}.percentage", fault["percentage"])
            if name == "abort":
                yield from status_code(f"{place}.httpStatus", fault["httpStatus"])
            elif name == "delay":
                yield from non_negative_duration(f"{place}.value", fault["value"])
            else:
                yield from bandwidth(f"{place}.limit", fault["limit"])
