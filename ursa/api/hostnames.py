"""Under which host names a service can be reached, and in which zones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiohttp import web

from ursa.api.answers import answer
from ursa.api.context import ApiContext, Endpoint
from ursa.api.failures import INVALID, Failure
from ursa.api.reader import Reader
from ursa.api.resources import kind_of, name_of, one_of
from ursa.errors import NotFound
from ursa.model.kind import Scope

PATHS = ("meshservices", "meshexternalservices", "meshmultizoneservices")


class Hostnames:
    """`…/_hostnames`."""

    def __init__(self, context: ApiContext, reader: Reader) -> None:
        self._context = context
        self._reader = reader

    def endpoints(self) -> Iterator[Endpoint]:
        """Its route, which exists for every kind so that a wrong one can be explained."""
        path = f"/meshes/{{mesh}}/{one_of(self._context, Scope.MESH)}/{{name}}/_hostnames"
        yield Endpoint("GET", path, self.get, "could not retrieve service")

    async def get(self, request: web.Request) -> web.Response:
        """Names that generators gave the service, as its status records them."""
        kind = kind_of(request, self._context)
        if kind.path not in PATHS:
            raise Failure(400, f'only "{",".join(PATHS)}" are available for inspection', INVALID)
        found = self._context.view.get(kind.name, request.match_info["mesh"], name_of(request))
        if found is None:
            raise NotFound(f"{kind.name} not found")
        zone = found.labels.get("kuma.io/zone") or self._context.place.zone
        items: list[dict[str, Any]] = [
            {"hostname": address["hostname"], "zones": [{"name": zone}] if zone else []}
            for address in (found.status or {}).get("addresses", ())
        ]
        return answer({"total": len(items), "items": items or None})
