"""Who may read and write what in which mesh, when the operator switches roles on (`access.roles`).

Off, anybody may do anything but touch secrets, as in Kuma. On, nobody may do anything until a binding says so: a
*reader* sees the objects of its meshes and what stands outside meshes, an *editor* also writes the objects of its
meshes, an *admin* also the meshes themselves, and one of all meshes also what stands outside them. Whoever is listed
in `access.static.adminResources` is an admin of everything, so that nobody is locked out. Secrets stay behind that
list.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from fnmatch import fnmatchcase

from ursa.api.callers import Caller
from ursa.errors import Forbidden
from ursa.model.resource import Resource
from ursa.runtime.config.servers import Access, RoleBinding

EVERY = "*"
_MESH, _INSIGHT = "Mesh", "MeshInsight"


class Role(enum.IntEnum):
    """What somebody is in a mesh; each may do what those before it may."""

    READER = 1
    EDITOR = 2
    ADMIN = 3


class Roles:
    """The bindings of this process."""

    def __init__(self, access: Access) -> None:
        self.enabled = access.roles.enabled
        self._bindings = access.roles.bindings
        self._administrators = access.static.admin_resources

    def check_read(self, caller: Caller, mesh: str | None) -> None:
        """Raises Forbidden unless the caller may read in this mesh; without one a role in any mesh will do."""
        if self.enabled and not self._holds(caller, Role.READER, mesh):
            raise Forbidden(f'user "{caller}" cannot read {_place(mesh)}')

    def check_write(self, caller: Caller, mesh: str | None, *, itself: bool = False) -> None:
        """Raises Forbidden unless the caller may write.

        Args:
            caller: who wants to.
            mesh: in which mesh; None outside meshes.
            itself: whether the mesh itself is written, not what is in it.
        """
        wanted = Role.ADMIN if mesh is None or itself else Role.EDITOR
        if self.enabled and not self._holds(caller, wanted, EVERY if mesh is None else mesh):
            raise Forbidden(f'user "{caller}" cannot write {_place(mesh, itself=itself)}')

    def visible(self, caller: Caller, resources: Sequence[Resource]) -> Sequence[Resource]:
        """Those of some resources of one kind that the caller may read."""
        if not self.enabled:
            return resources
        return [r for r in resources if self._holds(caller, Role.READER, _mesh_of(r))]

    def _holds(self, caller: Caller, role: Role, mesh: str | None) -> bool:
        """Whether some binding gives the caller at least this role in this mesh; without a mesh any mesh will do."""
        if _listed(caller, self._administrators.users, self._administrators.groups):
            return True
        return any(
            Role[binding.role.upper()] >= role
            and _listed(caller, binding.users, binding.groups)
            and (mesh is None or _covers(binding, mesh))
            for binding in self._bindings
        )


def _mesh_of(resource: Resource) -> str | None:
    return resource.name if resource.kind in (_MESH, _INSIGHT) else resource.mesh or None


def _place(mesh: str | None, *, itself: bool = False) -> str:
    if mesh is None:
        return "outside meshes"
    return f'mesh "{mesh}"' if itself else f'in mesh "{mesh}"'


def _covers(binding: RoleBinding, mesh: str) -> bool:
    return any(pattern == mesh or fnmatchcase(mesh, pattern) for pattern in binding.meshes)


def _listed(caller: Caller, users: Sequence[str], groups: Sequence[str]) -> bool:
    return caller.name in users or not set(caller.groups).isdisjoint(groups)
