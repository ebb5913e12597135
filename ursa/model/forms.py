"""Resources as people and tools see them: the Universal REST form and the Kubernetes form, both ways.

Flat kinds (protobuf specs) have the spec's fields beside `type` and `name`; the others keep them below `spec`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ursa.errors import BadRequest, InvalidResource, NotFound, Violation
from ursa.model.json import JsonObject
from ursa.model.kind import Kind, Registry
from ursa.model.kri import kri_of
from ursa.model.labels import MESH
from ursa.model.quoting import quoted
from ursa.model.resource import Resource
from ursa.model.schema import canonical, violations, with_defaults
from ursa.model.timestamps import rfc3339

META = frozenset({"type", "mesh", "name", "labels", "creationTime", "modificationTime", "kri", "status", "spec"})
"""Fields of the REST form that are not part of a flat spec."""

ZERO_TIME = "0001-01-01T00:00:00Z"
API_VERSION = "kuma.io/v1alpha1"
SYSTEM_NAMESPACE = "kuma-system"
DATAPLANE_INSIGHT = "DataplaneInsight"
"""The one insight that Kubernetes objects carry below `status`."""

_SECRETS = MappingProxyType({"system.kuma.io/secret": "Secret", "system.kuma.io/global-secret": "GlobalSecret"})
"""Types of the core Secrets that hold ours."""


def to_rest(resource: Resource, registry: Registry) -> dict[str, Any]:
    """The Universal form, ready to be printed as JSON or YAML."""
    kind = registry[resource.kind]
    document: dict[str, Any] = {"type": kind.name}
    if not kind.global_scope:
        document["mesh"] = resource.mesh
    document |= {
        "name": resource.name,
        "creationTime": _time(resource.created),
        "modificationTime": _time(resource.modified),
    }
    if resource.labels:
        document["labels"] = dict(resource.labels)
    if kri := kri_of(resource, kind):
        document["kri"] = kri
    if kind.codec.flat:
        return document | dict(resource.spec)
    document["spec"] = resource.spec
    if kind.status_codec is not None:
        document["status"] = resource.status or kind.empty_status
    return document


def from_rest(document: JsonObject, registry: Registry, *, keep_status: bool = True) -> Resource:
    """A resource from its Universal form: schema defaults filled in, schema checked, unknown fields dropped.

    Semantic rules (`Kind.validate`) are not looked at here.

    Raises:
        NotFound: the type is not known.
        BadRequest: a value cannot be read.
        InvalidResource: the schema of a JSON kind is violated.
    """
    kind = _kind_of(document, registry)
    name, labels = document.get("name") or "", document.get("labels") or {}
    mesh = "" if kind.global_scope else document.get("mesh") or ("" if kind.codec.flat else "default")
    if not isinstance(name, str) or not isinstance(mesh, str) or not isinstance(labels, Mapping):
        raise BadRequest(f"invalid {kind.name} object: name, mesh and labels must be strings")
    if kind.codec.flat:
        spec = _flat_spec(document, kind)
    else:
        spec = _json_spec(document, kind)
    status = document.get("status") if keep_status and kind.status_codec is not None else None
    return Resource(kind.name, mesh, name, spec, {str(k): str(v) for k, v in labels.items()}, status or None)


def to_kubernetes(resource: Resource, registry: Registry, namespace: str = SYSTEM_NAMESPACE) -> dict[str, Any]:
    """The Kubernetes form; as in Kuma it carries no labels but, for JSON kinds, the one that names the mesh."""
    kind = registry[resource.kind]
    metadata: dict[str, Any] = {"name": resource.name}
    if kind.namespaced:
        metadata["namespace"] = namespace
    metadata["creationTimestamp"] = _time(resource.created - resource.created % 1_000_000_000)
    if kind.name in ("Secret", "GlobalSecret"):
        return _kubernetes_secret(resource, kind, metadata)
    document: dict[str, Any] = {"kind": kind.name, "apiVersion": API_VERSION, "metadata": metadata}
    if kind.codec.flat:
        if not kind.global_scope:
            document["mesh"] = resource.mesh
    else:
        metadata["labels"] = {MESH: resource.mesh}
    document["status" if kind.name == DATAPLANE_INSIGHT else "spec"] = resource.spec
    if kind.status_codec is not None:
        document["status"] = resource.status or kind.empty_status
    return document


def from_kubernetes(document: JsonObject, registry: Registry) -> dict[str, Any]:
    """The Universal form of a Kubernetes object; the mesh comes from `mesh`, the label, or is `default`."""
    metadata = document.get("metadata") or {}
    labels = dict(metadata.get("labels") or {})
    secret = _SECRETS.get(str(document.get("type")))
    kind = registry[secret or str(document.get("kind"))]
    universal: dict[str, Any] = {"type": kind.name, "name": metadata.get("name", "")}
    if not kind.global_scope:
        universal["mesh"] = document.get("mesh") or labels.pop(MESH, "default")
    if labels:
        universal["labels"] = labels
    spec = document.get("status" if kind.name == DATAPLANE_INSIGHT else "spec") or {}
    if secret:
        return universal | {"data": (document.get("data") or {}).get("value", "")}
    if kind.codec.flat:
        return universal | dict(spec)
    return universal | {"spec": spec}


def is_kubernetes(document: JsonObject) -> bool:
    """Whether a document is in Kubernetes form."""
    return "apiVersion" in document and "kind" in document


def _kind_of(document: JsonObject, registry: Registry) -> Kind:
    name = document.get("type")
    if not isinstance(name, str) or not name:
        raise InvalidResource([Violation("type", "cannot be empty")])
    try:
        return registry[name]
    except NotFound:
        raise InvalidResource([Violation("type", f'unknown resource type "{name}"')]) from None


def _flat_spec(document: JsonObject, kind: Kind) -> JsonObject:
    fields = {k: v for k, v in document.items() if k not in META}
    try:
        return kind.codec.normalise(fields)
    except BadRequest as error:
        raise BadRequest(f"invalid {kind.name} object: {quoted(str(error))}") from None


def _json_spec(document: JsonObject, kind: Kind) -> JsonObject:
    spec = document.get("spec")
    schema = kind.schema or {}
    if spec is None:
        raise InvalidResource([Violation("", ".spec in body is required")])
    if isinstance(spec, dict):
        spec = with_defaults(spec, schema)
    if found := list(violations(spec, {"type": "object", **schema}, "spec")):
        raise InvalidResource(found)
    try:
        normal: JsonObject = canonical(spec, schema)
    except BadRequest as error:
        raise BadRequest(f"invalid {kind.name} object: {quoted(str(error))}") from None
    return normal


def _kubernetes_secret(resource: Resource, kind: Kind, metadata: dict[str, Any]) -> dict[str, Any]:
    if not kind.global_scope:
        metadata["labels"] = {MESH: resource.mesh}
    return {
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": metadata,
        "data": {"value": resource.spec.get("data", "")},
        "type": next(type_ for type_, name in _SECRETS.items() if name == kind.name),
    }


def _time(nanoseconds: int) -> str:
    if nanoseconds <= 0:
        return ZERO_TIME
    return rfc3339(nanoseconds)
