"""Where reads come from: stored objects out of the view, insights that nobody stores out of a computation over it."""

from __future__ import annotations

from collections.abc import Sequence

from ursa.admission.refusals import MeshNotFound
from ursa.api.context import ApiContext
from ursa.api.insights.meshes import MeshInsights
from ursa.api.insights.services import ServiceInsights
from ursa.errors import NotFound
from ursa.model.kind import Kind
from ursa.model.resource import Resource, ResourceKey
from ursa.store.contract import Unreadable


class Reader:
    """Lists and finds objects of every kind."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self.meshes = MeshInsights(context.registry, context.place)
        self.services = ServiceInsights(context.settings.dns_server, context.place)

    def list(self, kind: Kind, mesh: str | None = None) -> Sequence[Resource]:
        """All objects of a kind, of one mesh or of all, ordered by (mesh, name)."""
        view = self._context.view
        if kind.name == "MeshInsight":
            return self.meshes.list(view)
        if kind.name == "ServiceInsight":
            return self.services.list(view, mesh)
        return view.list(kind.name, mesh)

    def get(self, kind: Kind, mesh: str, name: str) -> Resource:
        """One object. Raises NotFound, and Unreadable when something is there that is none."""
        view = self._context.view
        found: Resource | None
        if kind.name == "MeshInsight":
            found = self.meshes.get(view, name)
        elif kind.name == "ServiceInsight":
            found = self.services.get(view, mesh, name)
        else:
            found = view.get(kind.name, mesh, name)
            self._check_readable(ResourceKey(kind.name, mesh, name))
        if found is None:
            raise NotFound(f"{kind.name} {name!r} not found")
        return found

    def check_mesh(self, mesh: str) -> None:
        """Raises MeshNotFound when a path names a mesh that is not there."""
        if self._context.view.get("Mesh", "", mesh) is None:
            self._check_readable(ResourceKey("Mesh", "", mesh))
            raise MeshNotFound(f"mesh {mesh!r} does not exist")

    def _check_readable(self, key: ResourceKey) -> None:
        damaged = self._context.view.damaged.get(key)
        if damaged is not None:
            raise Unreadable(damaged)
