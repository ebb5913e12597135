"""Validation of references to backends: where a route leads."""

from __future__ import annotations

from collections.abc import Iterator

from ursa.errors import Violation
from ursa.model.json import JsonObject
from ursa.policies.core.attachment import check_target_ref
from ursa.policies.core.target_ref import (
    MESH_EXTERNAL_SERVICE,
    MESH_MULTI_ZONE_SERVICE,
    MESH_SERVICE,
    MESH_SERVICE_SUBSET,
)

BACKENDS = (MESH_SERVICE, MESH_SERVICE_SUBSET, MESH_EXTERNAL_SERVICE, MESH_MULTI_ZONE_SERVICE)
"""What a route may lead to."""


def check_backend_refs(field: str, conf: JsonObject) -> Iterator[Violation]:
    """Checks the `backendRefs` of a conf; a missing list is none."""
    for index, ref in enumerate(conf.get("backendRefs") or ()):
        yield from check_backend_ref(f"{field}.backendRefs[{index}]", ref, BACKENDS)


def check_backend_ref(field: str, ref: JsonObject, allowed: tuple[str, ...]) -> Iterator[Violation]:
    """Checks one reference."""
    yield from check_target_ref(field, ref, allowed)
    if ref.get("kind") == MESH_MULTI_ZONE_SERVICE and not ref.get("port"):
        yield Violation(f"{field}.port", f"must be defined with kind {MESH_MULTI_ZONE_SERVICE}")
