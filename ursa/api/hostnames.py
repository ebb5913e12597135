"""Under which host names a service can be reached, and in which zones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiohttp import web

from ursa.api.answers import answer
from ursa.api.context import ApiContext, Endpoint
from ursa.api.failures import INVALID, Failure
from ursa.api.reader import Reader
from ursa.api.resources import kind_of, name_of
from ursa.errors import NotFound

PATHS = ("meshservices", "meshexternalservices", "meshmultizoneservices")


class Hostnames:
    """`…/_hostnames`."""

    def __init__(self, context: ApiContext, reader: Reader) -> None:
        self._context = context
        self._reader = reader

    def endpoints(self) -> Iterator[Endpoint]:
        """Its route, which exists for every word so that a wrong one can be explained."""
        yield Endpoint("GET", "/meshes/{mesh}/{path}/{name}/_hostnames", self.get, "could not retrieve service")

    async def get(self, request: web.Request) -> web.Response:
        """Names that generators gave the service, as its status records them."""
        if request.match_info["path"] not in PATHS:
            raise Failure(400, f'only "{",".join(PATHS)}" are available for inspection', INVALID)
        kind = kind_of(request, self._context)
        found = self._context.view.get(kind.name, request.match_info["mesh"], name_of(request))
        if found is None:
            raise NotFound(f"{kind.name} not found")
        zone = found.labels.get("kuma.io/zone") or self._context.place.zone
        items: list[dict[str, Any]] = [
            {"hostname": address["hostname"], "zones": [{"name": zone}] if zone else []}
            for address in (found.status or {}).get("addresses", ())
        ]
        return answer({"total": len(items), "items": items or None})
