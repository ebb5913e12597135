"""Validation of references: where a policy may be attached, and what its items may refer to (Kuma's texts)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ursa.errors import Violation
from ursa.model.json import Json, JsonObject
from ursa.model.labels import POLICY_ROLE
from ursa.model.resource import Resource
from ursa.policies.core.policy import SYSTEM
from ursa.policies.core.target_ref import (
    DATAPLANE,
    MESH,
    MESH_EXTERNAL_SERVICE,
    MESH_GATEWAY,
    MESH_HTTP_ROUTE,
    MESH_MULTI_ZONE_SERVICE,
    MESH_SERVICE,
    MESH_SERVICE_SUBSET,
    MESH_SUBSET,
)

ConfCheck = Callable[[str, JsonObject], Iterator[Violation]]

PROXIES = (MESH, MESH_SUBSET, MESH_SERVICE, MESH_SERVICE_SUBSET, DATAPLANE)
"""What nearly every policy may be attached to."""

CLIENTS = (MESH, MESH_SUBSET, MESH_SERVICE, MESH_SERVICE_SUBSET)
"""What `from` may refer to where clients are told apart."""

_NAME = re.compile(r"[0-9a-z.\-_]*\Z")
_TAG_VALUE = re.compile(r"[a-zA-Z0-9.\-_]*\Z")

_FORBIDDEN: dict[str, tuple[str, ...]] = {
    MESH: ("mesh", "tags", "labels", "namespace", "sectionName"),
    MESH_SUBSET: ("name", "mesh", "labels", "namespace", "sectionName"),
    MESH_SERVICE: ("mesh", "tags", "proxyTypes"),
    MESH_SERVICE_SUBSET: ("mesh", "proxyTypes", "labels", "namespace", "sectionName"),
    MESH_GATEWAY: ("mesh", "proxyTypes", "labels", "namespace", "sectionName"),
    MESH_HTTP_ROUTE: ("mesh", "tags", "proxyTypes", "sectionName"),
    MESH_EXTERNAL_SERVICE: ("mesh", "tags", "proxyTypes", "sectionName"),
    MESH_MULTI_ZONE_SERVICE: (),
    DATAPLANE: ("mesh", "tags", "proxyTypes"),
}
_NAME_NEEDED = frozenset({MESH_SERVICE_SUBSET, MESH_GATEWAY})
_NAME_UNLESS_LABELS = frozenset({MESH_SERVICE, MESH_HTTP_ROUTE, MESH_EXTERNAL_SERVICE})
_NAME_OR_LABELS = _NAME_UNLESS_LABELS | {DATAPLANE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """Where a policy may be attached.

    Attributes:
        top: kinds of the top-level reference.
        system_top: kinds that only policies of the system role may use there.
        gateway_tags: whether a MeshGateway may be narrowed to listeners by tags.
    """

    top: tuple[str, ...] = PROXIES
    system_top: tuple[str, ...] = ()
    gateway_tags: bool = True

    def check(self, resource: Resource) -> Iterator[Violation]:
        """What is wrong with the top-level reference of a policy."""
        document = resource.spec.get("targetRef")
        if document is None:
            return
        system = resource.labels.get(POLICY_ROLE, SYSTEM) == SYSTEM
        allowed = self.top + self.system_top if system else self.top
        yield from check_target_ref("spec.targetRef", document, allowed)
        if document.get("kind") == MESH_GATEWAY and not self.gateway_tags and document.get("tags"):
            yield _unwanted("spec.targetRef.tags", MESH_GATEWAY)
        if document.get("kind") == DATAPLANE and document.get("sectionName") and not _for_inbounds(resource.spec):
            yield Violation("spec.targetRef.sectionName", "can only be used with inbound policies")


def _for_inbounds(spec: JsonObject) -> bool:
    """Whether a policy speaks about inbounds and nothing else."""
    return bool(spec.get("from") or spec.get("rules")) and not spec.get("to")


def any_conf(_field: str, _conf: JsonObject) -> Iterator[Violation]:
    """The check of confs about which nothing is known beyond their schema."""
    return iter(())


def top_kind(resource: Resource) -> str:
    """Kind of the top-level reference; a missing one means the mesh."""
    kind: str = (resource.spec.get("targetRef") or {}).get("kind", MESH)
    return kind


def check_items(resource: Resource, name: str, allowed: tuple[str, ...], check_conf: ConfCheck) -> Iterator[Violation]:
    """Checks reference and conf of every item of `to` or `from`."""
    for index, item in enumerate(resource.spec.get(name) or ()):
        field = f"spec.{name}[{index}]"
        yield from check_target_ref(f"{field}.targetRef", item.get("targetRef") or {}, allowed)
        yield from check_conf(f"{field}.default", item.get("default") or {})


def check_target_ref(field: str, document: JsonObject, allowed: tuple[str, ...]) -> Iterator[Violation]:
    """Checks one reference."""
    kind = document.get("kind", "")
    if not kind:
        yield Violation(f"{field}.kind", "must be set")
        return
    if kind not in allowed:
        yield Violation(f"{field}.kind", f"value '{kind}' is not supported")
        return
    yield from _check_name(field, kind, document)
    if document.get("proxyTypes") == []:
        yield Violation(f"{field}.proxyTypes", "must be undefined or have at least one element")
    for name in _FORBIDDEN[kind]:
        if document.get(name):
            yield _unwanted(f"{field}.{name}", kind)
    if kind == MESH_SUBSET:
        yield from _check_tags(f"{field}.tags", document.get("tags") or {})


def _check_name(field: str, kind: str, document: JsonObject) -> Iterator[Violation]:
    name, labels = document.get("name", ""), document.get("labels")
    if kind == MESH and name:
        yield Violation(f"{field}.name", f"using name with kind {kind} is not yet supported")
    if kind in _NAME_OR_LABELS and labels and (name or document.get("namespace")):
        names = "name" if kind == MESH_EXTERNAL_SERVICE else "name and namespace"
        yield Violation(f"{field}.labels", f"either labels or {names} must be specified")
    if not name and (kind in _NAME_NEEDED or (kind in _NAME_UNLESS_LABELS and not labels)):
        yield Violation(f"{field}.name", f"must be set with kind {kind}")
    if kind in _NAME_NEEDED | _NAME_OR_LABELS and not _NAME.match(name):
        reason = "invalid characters: must consist of lower case alphanumeric characters, '-', '.' and '_'."
        yield Violation(f"{field}.name", reason)


def _check_tags(field: str, tags: dict[str, Json]) -> Iterator[Violation]:
    for key, value in sorted(tags.items()):
        if not _TAG_VALUE.match(value):
            reason = "tag value must consist of alphanumeric characters, dots, dashes and underscores"
            yield Violation(f'{field}["{key}"]', reason)


def _unwanted(field: str, kind: str) -> Violation:
    return Violation(field, f"must not be set with kind {kind}")
