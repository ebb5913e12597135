"""Mesh: the unit of trust and of naming."""

from __future__ import annotations

from ursa.model import columns
from ursa.model.codec import ProtoSpec
from ursa.model.kind import Family, Kind, Scope, Sync, Writable
from ursa.model.validation.dns_names import dns_name_warnings
from ursa.model.validation.mesh import fill_mesh_defaults, mesh_violations

MESH = Kind(
    name="Mesh",
    path="meshes",
    scope=Scope.GLOBAL,
    codec=ProtoSpec("mesh_pb2", "Mesh"),
    family=Family.RESOURCE,
    short="m",
    sync=Sync.DOWN,
    hashed=False,
    writable=Writable.ZONE | Writable.GLOBAL,
    fill_defaults=fill_mesh_defaults,
    validate=mesh_violations,
    warnings=dns_name_warnings,
    columns=columns.MESH,
    cli=("mesh", "meshes"),
    singular="Mesh",
    plural="Meshes",
)

KINDS = (MESH,)
