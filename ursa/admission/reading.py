"""Turns the body of a write into a resource: form, schema, semantics, then agreement with the URL (`rest-api` §7.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ursa.admission.place import Place
from ursa.errors import BadRequest, InvalidResource, Violation
from ursa.model.forms import from_rest
from ursa.model.json import Json, JsonObject
from ursa.model.kind import Kind, Registry
from ursa.model.labels import label_violations
from ursa.model.names import MAX_NAME, mesh_violations, name_violations
from ursa.model.resource import Resource


@dataclass(frozen=True, slots=True)
class Target:
    """What the URL of a write names."""

    kind: Kind
    mesh: str
    name: str


def read(document: Json, target: Target, registry: Registry, place: Place) -> Resource:
    """The resource in a body, without computed labels and without status.

    Raises:
        BadRequest: the body has the wrong shape.
        InvalidResource: rules are broken; every rule of the first stage that finds anything is named.
    """
    kind = target.kind
    body = _object(document, kind)
    if not kind.codec.flat:
        _check_meta(body, kind)
    resource = from_rest({**body, "type": kind.name}, registry, keep_status=False)
    if found := list(kind.validate(resource)):
        raise InvalidResource(found)
    if found := [*_mismatches(body, resource, target), *_meta(resource, target, place)]:
        raise InvalidResource(found)
    return resource


def _object(document: Json, kind: Kind) -> JsonObject:
    if not isinstance(document, Mapping):
        raise BadRequest(f'invalid {kind.name} object: "a JSON object is expected"')
    return document


def _check_meta(body: JsonObject, kind: Kind) -> None:
    """Kinds with a schema must say what they are; a message without a field is how Kuma reports it."""
    missing = [key for key in ("name", "type", "spec") if body.get(key) is None]
    if missing:
        raise InvalidResource([Violation("", f".{key} in body is required") for key in missing])
    if body["type"] != kind.name:
        raise InvalidResource([Violation("", f"type in body should be one of [{kind.name}]")])


def _mismatches(body: JsonObject, resource: Resource, target: Target) -> list[Violation]:
    pairs = [("name", resource.name, target.name), ("type", body.get("type"), target.kind.name)]
    if not target.kind.global_scope:
        pairs.append(("mesh", resource.mesh, target.mesh))
    return [
        Violation(field, f"{field} from the URL has to be the same as in body")
        for field, given, expected in pairs
        if given != expected
    ]


def _meta(resource: Resource, target: Target, place: Place) -> list[Violation]:
    found = []
    if place.federated and len(f"{place.zone}.{resource.name}") >= MAX_NAME:
        found.append(Violation("name", "the length of the name must be shorter"))
    else:
        found += name_violations("name", resource.name)
    found += label_violations(resource, target.kind, place.locality)
    if not target.kind.global_scope:
        found += mesh_violations(resource.mesh)
    return found
