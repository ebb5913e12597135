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
from ursa.topology.hostnames import hostnames

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
        """Names that generators give the service, each with the zones it is for."""
        if request.match_info["path"] not in PATHS:
            raise Failure(400, f'only "{",".join(PATHS)}" are available for inspection', INVALID)
        kind = kind_of(request, self._context)
        found = self._context.view.get(kind.name, request.match_info["mesh"], name_of(request))
        if found is None:
            raise NotFound(f"{kind.name} not found")
        zones: dict[str, dict[str, None]] = {}
        for name, zone in hostnames(found, self._context.view.list("HostnameGenerator")):
            zones.setdefault(name, {})[zone] = None
        items: list[dict[str, Any]] = [
            {"hostname": name, "zones": [{"name": zone} for zone in zones[name]]} for name in sorted(zones)
        ]
        return answer({"total": len(items), "items": items or None})
