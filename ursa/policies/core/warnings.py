"""Deprecations that the answer to a write mentions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ursa.model.resource import Resource
from ursa.policies.core.target_ref import MESH_SERVICE, MESH_SERVICE_SUBSET, MESH_SUBSET

_DEPRECATED_TOP = frozenset({MESH_SUBSET, MESH_SERVICE, MESH_SERVICE_SUBSET})


def target_warnings(resource: Resource) -> Sequence[str]:
    """Warns of top-level references that have a better successor."""
    kind = (resource.spec.get("targetRef") or {}).get("kind")
    if kind in _DEPRECATED_TOP:
        return (f"{kind} value for 'targetRef.kind' is deprecated, use Dataplane with labels instead",)
    return ()


def from_warnings(resource: Resource) -> Sequence[str]:
    """As `target_warnings`, for policies whose `from` is superseded by `rules`."""
    found = ["'from' field is deprecated, use 'rules' instead"] if resource.spec.get("from") else []
    return (*found, *target_warnings(resource))


def client_warnings(resource: Resource) -> Sequence[str]:
    """As `target_warnings`, for policies that tell clients apart in `from`."""
    return (*target_warnings(resource), *_client_warnings(resource))


def _client_warnings(resource: Resource) -> Iterator[str]:
    if any((item.get("targetRef") or {}).get("kind") == MESH_SERVICE for item in resource.spec.get("from") or ()):
        yield (
            "MeshService value for 'from[].targetRef.kind' is deprecated, use MeshSubset with 'kuma.io/service' instead"
        )
