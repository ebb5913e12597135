"""`_config`: the configuration a proxy should have, and what policies that are only tried out would change in it."""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web

from ursa.api.access import Access
from ursa.api.answers import answer
from ursa.api.context import ApiContext, Endpoint
from ursa.api.failures import Failure
from ursa.api.json_patch import difference
from ursa.api.reader import Reader
from ursa.api.resources import name_of
from ursa.errors import BadRequest, NotFound
from ursa.model.json import Json, JsonObject

TITLE = "Failed to fetch dataplane insight"
_FLAGS = {"": False, "false": False, "true": True}


class ProxyConfig:
    """The call. Only a zone can compute configuration, so only a zone has a maker of it in the context."""

    def __init__(self, context: ApiContext, reader: Reader, access: Access) -> None:
        self._context = context
        self._reader = reader
        self._access = access

    def endpoints(self) -> Iterator[Endpoint]:
        """Its route; a builtin gateway is found under the name of its Dataplane in both places."""
        path = "/meshes/{mesh}/{path:dataplanes|meshgateways}/{name}/_config"
        yield Endpoint("GET", path, self.get, TITLE)

    async def get(self, request: web.Request) -> web.Response:
        """Configuration by type and name, with the shadow policies when asked for, and the difference they make."""
        configure = self._context.configure
        if configure is None:
            raise Failure(405, "Method not allowed", "Not allowed on global CP")
        self._access.config_dump(request)
        shadow, with_difference = _wanted(request)
        mesh, name = request.match_info["mesh"], name_of(request)
        self._reader.check_mesh(mesh)
        insight = self._context.view.get("DataplaneInsight", mesh, name)
        if insight is None:
            raise NotFound(f"no insight of {name}")
        dataplane = self._reader.get(self._context.registry["Dataplane"], mesh, name)
        metadata: JsonObject = insight.spec.get("metadata") or {}
        xds = await configure(dataplane, metadata, shadow)
        body: dict[str, Json] = {"xds": xds}
        if with_difference:
            current = await configure(dataplane, metadata, False) if shadow else xds
            body["diff"] = list(difference(current, xds))
        return answer(body)


def _wanted(request: web.Request) -> tuple[bool, bool]:
    """Whether shadow policies count, and whether the difference is wanted."""
    shadow, include = request.query.get("shadow", ""), request.query.getall("include", [])
    if shadow not in _FLAGS:
        raise BadRequest("unsupported value for query parameter 'shadow'")
    if set(include) - {"diff"}:
        raise BadRequest("unsupported value for query parameter 'include'")
    return _FLAGS[shadow], "diff" in include
