"""The live Envoy views of the HTTP API, equal on both sorts of control plane but for the way to the proxy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import TypeAlias

from aiohttp import web

from kds.admin_calls import CLUSTERS, CONFIG, STATS, AdminQuery
from ursa.api.access import Access
from ursa.api.answers import JSON
from ursa.api.context import Endpoint
from ursa.api.failures import Failure
from ursa.errors import NotFound, UrsaError
from ursa.model.resource import Resource
from ursa.runtime.config import Settings
from ursa.view.live import LiveView

TITLE = "Could not execute admin operation"
PATHS = {
    "Dataplane": "/meshes/{mesh}/dataplanes/{name}",
    "ZoneIngress": "/zoneingresses/{name}",
    "ZoneEgress": "/zoneegresses/{name}",
}
TEXT = "text/plain"

AskProxy: TypeAlias = Callable[[Resource, AdminQuery], Awaitable[bytes]]
"""Asks the proxy of a resource; the query's name is that of the resource here."""


class LiveProxies:
    """`…/xds`, `…/stats` and `…/clusters` of every sort of proxy."""

    def __init__(self, settings: Settings, live: LiveView, ask: AskProxy, *, failed: int) -> None:
        """Args: `failed` is the status of an answer when a proxy cannot be asked (400 on a global, 500 in a zone)."""
        self._live, self._ask, self._failed = live, ask, failed
        self._access = Access(settings)

    def endpoints(self) -> Iterator[Endpoint]:
        """All calls."""
        for kind, path in PATHS.items():
            yield Endpoint("GET", path + "/xds", self._handler(kind, CONFIG), TITLE)
            yield Endpoint("GET", path + "/stats", self._handler(kind, STATS), TITLE, json=False)
            yield Endpoint("GET", path + "/clusters", self._handler(kind, CLUSTERS), TITLE, json=False)

    def _handler(self, kind: str, call: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        check = {CONFIG: self._access.config_dump, STATS: self._access.stats, CLUSTERS: self._access.clusters}[call]

        async def handle(request: web.Request) -> web.StreamResponse:
            check(request)
            mesh, name = request.match_info.get("mesh", ""), request.match_info["name"]
            proxy = self._live.current.get(kind, mesh, name)
            if proxy is None:
                raise NotFound("not found")
            as_json = request.query.get("format") == "json"
            query = AdminQuery(
                call,
                kind,
                mesh,
                name,
                include_eds=request.query.get("include_eds") == "true",
                as_json=as_json,
                used_only=request.query.get("usedonly", "true") == "true",
            )
            try:
                answer = await self._ask(proxy, query)
            except UrsaError as error:
                raise Failure(self._failed, TITLE, str(error)) from None
            return web.Response(body=answer, content_type=JSON if as_json or call == CONFIG else TEXT)

        return handle
