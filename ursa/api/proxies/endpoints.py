"""The calls about one proxy's policies, for meshes whose services are real resources (`meshServices: Exclusive`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aiohttp import web

from ursa.api.answers import answer
from ursa.api.context import ApiContext, Endpoint
from ursa.api.kris import resolve
from ursa.api.proxies import confs
from ursa.api.proxies.destinations import Destination, destinations, find, reachable
from ursa.api.proxies.matched import KindMatch, matches
from ursa.api.proxies.subjects import subject_of
from ursa.api.reader import Reader
from ursa.api.resources import name_of
from ursa.errors import BadRequest
from ursa.model.dataplane import parse_dataplane
from ursa.model.kri import kri_of, parse_kri
from ursa.model.mesh import parse_mesh
from ursa.model.resource import Resource

TITLE = "Failed to retrieve Dataplane"


class ProxyPolicies:
    """`_layout`, `_policies`, `_inbounds/…`, `_outbounds/…`."""

    def __init__(self, context: ApiContext, reader: Reader) -> None:
        self._context = context
        self._reader = reader

    def endpoints(self) -> Iterator[Endpoint]:
        """Their routes."""
        proxy = "/meshes/{mesh}/dataplanes/{name}"
        outbound = f"{proxy}/_outbounds/{{kri}}"
        yield Endpoint("GET", f"{proxy}/_layout", self.layout, TITLE)
        yield Endpoint("GET", f"{proxy}/_policies", self.policies, TITLE)
        yield Endpoint("GET", f"{proxy}/_inbounds/{{kri}}/_policies", self.inbound, TITLE)
        yield Endpoint("GET", f"{outbound}/_policies", self.outbound, TITLE)
        yield Endpoint("GET", f"{outbound}/_routes", self.routes, TITLE)
        yield Endpoint("GET", f"{outbound}/_routes/{{route}}/_policies", self.route, TITLE)

    async def layout(self, request: web.Request) -> web.Response:
        """Inbounds and outbounds of the proxy, named as in its configuration."""
        dataplane = self._dataplane(request, "_layout")
        kind = self._context.registry["Dataplane"]
        inbounds = []
        for inbound in parse_dataplane(dataplane).inbounds:
            section = inbound.name or str(inbound.port)
            inbounds.append(
                {
                    "kri": kri_of(dataplane, kind, section),
                    "port": inbound.port,
                    "protocol": inbound.protocol or "tcp",
                    "proxyResourceName": f"self_inbound_dp_{section}",
                }
            )
        outbounds = [
            {"kri": one.kri, "port": one.port, "protocol": one.protocol, "proxyResourceName": one.kri}
            for one in reachable(dataplane, self._destinations(dataplane))
        ]
        body = {"kri": kri_of(dataplane, kind), "labels": dict(dataplane.labels)}
        return answer({**body, "inbounds": inbounds, "outbounds": outbounds})

    async def policies(self, request: web.Request) -> web.Response:
        """Policies for the proxy as a whole."""
        dataplane = self._dataplane(request, "_policies")
        return answer({"policies": list(confs.of_proxy(self._matches(dataplane)))})

    async def inbound(self, request: web.Request) -> web.Response:
        """Policies for one inbound."""
        wanted, _ = parse_kri(request.match_info["kri"], self._context.registry)
        dataplane = self._dataplane(request, "_policies")
        for position, one in enumerate(parse_dataplane(dataplane).inbounds):
            if wanted.section in (one.name, str(one.port)):
                return answer({"policies": list(confs.of_inbound(self._matches(dataplane), position))})
        raise BadRequest(f"the data plane proxy has no inbound {wanted.section!r}")

    async def outbound(self, request: web.Request) -> web.Response:
        """Policies for one outbound."""
        found = self._outbound(request)
        return answer({"policies": [] if found is None else list(confs.of_outbound(*found))})

    async def routes(self, request: web.Request) -> web.Response:
        """Routes of one outbound."""
        found = self._outbound(request)
        return answer({"routes": [] if found is None else list(confs.routes_of(*found))})

    async def route(self, request: web.Request) -> web.Response:
        """Policies for one route of an outbound."""
        found = self._outbound(request)
        kri, kind = parse_kri(request.match_info["route"], self._context.registry)
        route = resolve(self._context.view, kri, kind, self._context.place.zone)
        return answer({"policies": [] if found is None else list(confs.of_route(*found, route))})

    def _outbound(self, request: web.Request) -> tuple[Sequence[KindMatch], Destination, Resource] | None:
        wanted, _ = parse_kri(request.match_info["kri"], self._context.registry)
        dataplane = self._dataplane(request, "_policies")
        found = find(self._destinations(dataplane), wanted)
        mesh = self._reader.get(self._context.registry["Mesh"], "", dataplane.mesh)
        return None if found is None else (self._matches(dataplane), found, mesh)

    def _dataplane(self, request: web.Request, what: str) -> Resource:
        """The proxy. Raises BadRequest when its mesh still knows services by tags."""
        mesh = request.match_info["mesh"]
        self._reader.check_mesh(mesh)
        dataplane = self._reader.get(self._context.registry["Dataplane"], mesh, name_of(request))
        owner = self._context.view.get("Mesh", "", mesh)
        if owner is not None and not parse_mesh(owner).exclusive:
            raise BadRequest(f"can't use {what} endpoint without meshService enabled")
        return dataplane

    def _destinations(self, dataplane: Resource) -> Iterator[Destination]:
        return destinations(self._context.view, self._context.registry, dataplane.mesh)

    def _matches(self, dataplane: Resource) -> Sequence[KindMatch]:
        view = self._context.view
        return list(matches(view, self._context.registry, subject_of(dataplane, view)))
