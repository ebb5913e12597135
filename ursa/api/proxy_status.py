"""`/dataplanes/_status`: whether a proxy is there and whether it is well. Clients mix the two into one word, and then
nobody can tell a proxy that is gone from one whose application is.
"""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web

from ursa.api.access import Access
from ursa.api.answers import answer
from ursa.api.context import ApiContext, Endpoint
from ursa.api.filters import Query, matching
from ursa.api.insights.proxies import connection_of, health_of, unready_of
from ursa.api.insights.sight import unseen_zones
from ursa.api.paging import page, span_of
from ursa.api.reader import Reader
from ursa.api.resources import MANY, ONE, name_of
from ursa.model.json import JsonObject
from ursa.model.labels import SERVICE_TAG
from ursa.model.resource import Resource


class ProxyStatuses:
    """The calls."""

    def __init__(self, context: ApiContext, reader: Reader, access: Access) -> None:
        self._context, self._reader, self._access = context, reader, access
        self._kind = context.registry["Dataplane"]

    def endpoints(self) -> Iterator[Endpoint]:
        """Their routes."""
        yield Endpoint("GET", "/dataplanes/_status", self._list, MANY)
        yield Endpoint("GET", "/meshes/{mesh}/dataplanes/_status", self._list, MANY)
        yield Endpoint("GET", "/meshes/{mesh}/dataplanes/{name}/_status", self._get, ONE)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        """The state of many proxies."""
        self._access.resource(request, self._kind)
        mesh = request.match_info.get("mesh")
        if mesh is not None:
            self._reader.check_mesh(mesh)
        listed = self._reader.list(self._kind, mesh)
        if mesh is None:
            listed = self._access.visible(request, listed)
        span = span_of(request)
        found = matching(listed, self._kind, Query(request.query, f"/{self._kind.path}/_status"))
        unseen = unseen_zones(self._context.view, self._context.place)
        return answer(page(request, [self._status(one, unseen) for one in span.of(found)], len(found), span))

    async def _get(self, request: web.Request) -> web.StreamResponse:
        """The state of one proxy."""
        self._access.resource(request, self._kind)
        mesh = request.match_info["mesh"]
        self._reader.check_mesh(mesh)
        proxy = self._reader.get(self._kind, mesh, name_of(request))
        return answer(self._status(proxy, unseen_zones(self._context.view, self._context.place)))

    def _status(self, proxy: Resource, unseen: frozenset[str]) -> JsonObject:
        insight = self._context.view.get(self._kind.insight, proxy.mesh, proxy.name)
        return {
            "mesh": proxy.mesh,
            "name": proxy.name,
            "connection": connection_of(proxy, insight, unseen).value,
            "health": health_of(proxy).value,
            "notReady": [
                {"port": inbound.get("port"), "service": inbound.get("tags", {}).get(SERVICE_TAG)}
                for inbound in unready_of(proxy)
            ],
        }
