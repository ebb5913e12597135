"""Objects joined with what was observed of them: a Dataplane with its insight, a Zone with its own, and so on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiohttp import web

from ursa.api.access import Access
from ursa.api.answers import answer
from ursa.api.context import ApiContext, Endpoint
from ursa.api.filters import Query, matching
from ursa.api.insights.sight import last_seen, unseen_zone_of, unseen_zones
from ursa.api.paging import page, span_of
from ursa.api.reader import Reader
from ursa.api.resources import MANY, ONE, kind_of, name_of, one_of
from ursa.errors import NotFound
from ursa.model.forms import to_rest
from ursa.model.kind import Kind, Scope
from ursa.model.resource import Resource

_META = ("mesh", "name", "creationTime", "modificationTime", "labels")


class Overviews:
    """The calls on overviews, under their new and their old paths."""

    def __init__(self, context: ApiContext, reader: Reader, access: Access) -> None:
        self._context = context
        self._reader = reader
        self._access = access

    def endpoints(self) -> Iterator[Endpoint]:
        """Routes of all kinds that have an overview."""
        meshed, single = (
            one_of(self._context, Scope.MESH, overviews=True),
            one_of(self._context, Scope.GLOBAL, overviews=True),
        )
        everything = one_of(self._context, Scope.MESH, Scope.GLOBAL, overviews=True)
        for path in (f"/{everything}/_overview", f"/meshes/{{mesh}}/{meshed}/_overview"):
            yield Endpoint("GET", path, self.list, MANY)
        for path in (f"/{single}/{{name}}/_overview", f"/meshes/{{mesh}}/{meshed}/{{name}}/_overview"):
            yield Endpoint("GET", path, self.get, ONE)
        for path in (f"/{everything}+insights", f"/meshes/{{mesh}}/{meshed}+insights"):
            yield Endpoint("GET", path, self.list, MANY)
        for path in (f"/{single}+insights/{{name}}", f"/meshes/{{mesh}}/{meshed}+insights/{{name}}"):
            yield Endpoint("GET", path, self.get, ONE)
        yield Endpoint("GET", "/{path:zoneegress}overviews", self.list, MANY)
        yield Endpoint("GET", "/{path:zoneegress}overviews/{name}", self.get, ONE)

    async def list(self, request: web.Request) -> web.Response:
        """GET of many; an object without insight is shown without."""
        kind, mesh = self._kind(request), request.match_info.get("mesh")
        if mesh is not None:
            self._reader.check_mesh(mesh)
        span = span_of(request)
        prefix = f"/meshes/{{mesh}}/{kind.path}" if mesh is not None else f"/{kind.path}"
        listed = self._reader.list(kind, mesh)
        if mesh is None:
            listed = self._access.visible(request, listed)
        found = matching(listed, kind, Query(request.query, f"{prefix}/_overview"))
        unseen = unseen_zones(self._context.view, self._context.place)
        items = [self._join(kind, resource, self._insight(kind, resource), unseen) for resource in span.of(found)]
        return answer(page(request, items, len(found), span))

    async def get(self, request: web.Request) -> web.Response:
        """GET of one; an insight that is not there is an empty one."""
        kind, mesh = self._kind(request), request.match_info.get("mesh", "")
        if mesh:
            self._reader.check_mesh(mesh)
        resource = self._reader.get(kind, mesh, name_of(request))
        insight = self._insight(kind, resource) or Resource(kind.insight, resource.mesh, resource.name)
        return answer(self._join(kind, resource, insight, unseen_zones(self._context.view, self._context.place)))

    def _kind(self, request: web.Request) -> Kind:
        if request.match_info["path"] == "zoneegress":
            return self._context.registry["ZoneEgress"]
        kind = kind_of(request, self._context)
        self._access.resource(request, kind)
        if not kind.overview:
            raise NotFound(f"{kind.name} has no overview")
        return kind

    def _insight(self, kind: Kind, resource: Resource) -> Resource | None:
        return self._context.view.get(kind.insight, resource.mesh, resource.name)

    def _join(self, kind: Kind, resource: Resource, insight: Resource | None, unseen: frozenset[str]) -> dict[str, Any]:
        meta = to_rest(resource, self._context.registry)
        joined: dict[str, Any] = {"type": kind.overview}
        joined |= {key: meta[key] for key in _META if key in meta}
        if kind.name == "Zone" and self._context.zone_status is not None:
            joined["status"] = self._context.zone_status(resource)
        if zone := unseen_zone_of(resource, unseen):
            joined |= {"status": "unknown", "lastSeen": last_seen(self._context.view, zone)}
        joined[_member(kind.name)] = resource.spec
        if insight is not None:
            joined[_member(kind.insight)] = insight.spec
        return joined


def _member(name: str) -> str:
    return name[0].lower() + name[1:]
