"""MeshTLS's declaration and rules of validation."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.model.kind import Kind, PolicyTraits
from ursa.model.resource import Resource
from ursa.policies.core.attachment import Attachment, check_items, top_kind
from ursa.policies.core.declare import policy_kind
from ursa.policies.core.target_ref import DATAPLANE, MESH, MESH_SUBSET
from ursa.policies.core.warnings import from_warnings

_ATTACHMENT = Attachment(top=(MESH, MESH_SUBSET, DATAPLANE))
_VERSIONS = ("TLSAuto", "TLS10", "TLS11", "TLS12", "TLS13")


def kind() -> Kind:
    """Declares MeshTLS."""
    return policy_kind(
        "MeshTLS",
        short="mtls",
        path="meshtlses",
        title="Mesh TLS",
        titles="Mesh TLSes",
        traits=PolicyTraits(has_from=True, has_rules=True, from_as_rules=True),
        validate=lambda resource: tuple(_violations(resource)),
        warnings=from_warnings,
    )


def _violations(resource: Resource) -> Iterator[Violation]:
    yield from _ATTACHMENT.check(resource)
    if resource.spec.get("rules") and resource.spec.get("from"):
        yield Violation("spec", "field 'from' must be empty when 'rules' is defined")
    check = partial(_check_conf, whole_mesh=top_kind(resource) == MESH)
    yield from check_items(resource, "from", (MESH,), check)
    for index, rule in enumerate(resource.spec.get("rules") or ()):
        yield from check(f"spec.rules[{index}].default", rule.get("default") or {})


def _check_conf(field: str, conf: JsonObject, *, whole_mesh: bool) -> Iterator[Violation]:
    """Both ends of a connection must agree on versions and ciphers, hence they are the same in the whole mesh."""
    for name in ("tlsCiphers", "tlsVersion"):
        if name in conf and not whole_mesh:
            yield Violation(f"{field}.{name}", f"{name} can only be defined with top level targetRef kind: Mesh")
    version = conf.get("tlsVersion") or {}
    lowest, highest = (version.get(name, "TLSAuto") for name in ("min", "max"))
    if "TLSAuto" not in (lowest, highest) and _VERSIONS.index(lowest) > _VERSIONS.index(highest):
        yield Violation(f"{field}.tlsVersion.min", "min version must be lower than max")
