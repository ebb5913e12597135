"""The older inspection calls, which Kuma's command line still makes: where on a proxy a policy is attached."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Iterator

from aiohttp import web

from ursa.api.answers import answer
from ursa.api.context import ApiContext, Endpoint
from ursa.api.proxies.legacy import GATEWAY, GATEWAY_ROUTE, Document, LegacyMesh
from ursa.api.proxies.matched import http_routes, matches
from ursa.api.proxies.subjects import subject_of
from ursa.api.reader import Reader
from ursa.api.resources import kind_of, name_of
from ursa.api.slices import in_slices
from ursa.model.dataplane import parse_dataplane
from ursa.model.kind import Family, Kind
from ursa.model.resource import Resource
from ursa.policies.core.policy import parse_policy
from ursa.policies.core.selection import select
from ursa.policies.legacy.matching import ConnectionPolicy
from ursa.policies.legacy.places import Place

_GATEWAYS = (GATEWAY, GATEWAY_ROUTE)
_POLICIES = (Family.LEGACY_POLICY, Family.TARGETREF_POLICY)


class Attachments:
    """`…/{policy}/dataplanes`, `…/dataplanes/{name}/policies`."""

    def __init__(self, context: ApiContext, reader: Reader) -> None:
        self._context = context
        self._reader = reader

    def endpoints(self) -> Iterator[Endpoint]:
        """Their routes."""
        kinds = [k for k in self._context.registry if k.family in _POLICIES and k.name not in _GATEWAYS]
        paths = "|".join(re.escape(k.path) for k in sorted(kinds, key=lambda k: -len(k.path)))
        title = "Could not retrieve policy"
        yield Endpoint("GET", f"/meshes/{{mesh}}/{{path:{paths}}}/{{name}}/dataplanes", self.of_policy, title)
        gateways = "/meshes/{mesh}/{path:meshgateways|meshgatewayroutes}/{name}/dataplanes"
        yield Endpoint("GET", gateways, self.of_gateway, "Could not find MeshGateway")
        path = "/meshes/{mesh}/dataplanes/{name}/policies"
        yield Endpoint("GET", path, self.of_proxy, "Could not get MatchedPolicies")

    async def of_policy(self, request: web.Request) -> web.Response:
        """Proxies a policy is attached to; an unknown policy is attached to none, as in Kuma."""
        kind, mesh = kind_of(request, self._context), request.match_info["mesh"]
        self._reader.check_mesh(mesh)
        policy = self._context.view.get(kind.name, mesh, name_of(request))
        items = [] if policy is None else [item async for item in self._items(policy, kind)]
        return answer({"total": len(items), "items": items})

    async def of_gateway(self, request: web.Request) -> web.Response:
        """Builtin gateways that a MeshGateway makes, or that have a route."""
        kind, mesh = kind_of(request, self._context), request.match_info["mesh"]
        self._reader.check_mesh(mesh)
        wanted = self._reader.get(kind, mesh, name_of(request))
        legacy = LegacyMesh(self._context, mesh, kinds=())
        items = [_named(p) async for p in self._proxies(mesh) if _has(legacy.gateway(parse_dataplane(p)), wanted)]
        return answer({"total": len(items), "items": items})

    async def of_proxy(self, request: web.Request) -> web.Response:
        """Policies of a proxy, by what on it they are attached to."""
        mesh = request.match_info["mesh"]
        self._reader.check_mesh(mesh)
        resource = self._reader.get(self._context.registry["Dataplane"], mesh, name_of(request))
        dataplane, legacy = parse_dataplane(resource), LegacyMesh(self._context, mesh)
        if dataplane.builtin_gateway:
            return answer({"kind": "MeshGatewayDataplane", **(legacy.gateway(dataplane) or {})})
        items = [
            {**_place(place), "matchedPolicies": {k: [legacy.meta(p.resource) for p in of] for k, of in found.items()}}
            for place, found in legacy.places(dataplane)
        ]
        if on_proxy := self._by_target(resource, legacy):
            if items and items[-1]["type"] == "dataplane":
                items[-1]["matchedPolicies"] |= on_proxy
            else:
                items.append({"type": "dataplane", "matchedPolicies": on_proxy})
        return answer({"kind": "SidecarDataplane", "total": len(items), "items": items})

    def _proxies(self, mesh: str) -> AsyncIterator[Resource]:
        return in_slices(self._context.view.list("Dataplane", mesh))

    def _items(self, policy: Resource, kind: Kind) -> AsyncIterator[Document]:
        by_target = kind.family is Family.TARGETREF_POLICY
        return self._of_target(policy, kind) if by_target else self._of_selectors(policy, kind)

    async def _of_target(self, policy: Resource, kind: Kind) -> AsyncIterator[Document]:
        view, parsed = self._context.view, parse_policy(policy, kind)
        routes = http_routes(view, self._context.registry, policy.mesh)
        async for proxy in self._proxies(policy.mesh):
            if select(parsed, subject_of(proxy, view), routes=routes) is not None:
                yield {"kind": "SidecarDataplane", **_named(proxy), "attachments": [{"type": "dataplane"}]}

    async def _of_selectors(self, policy: Resource, kind: Kind) -> AsyncIterator[Document]:
        legacy = LegacyMesh(self._context, policy.mesh, kinds=(kind.name,))
        async for proxy in self._proxies(policy.mesh):
            dataplane = parse_dataplane(proxy)
            if dataplane.builtin_gateway:
                if found := _with_policy(legacy.gateway(dataplane), policy):
                    yield {"kind": "MeshGatewayDataplane", **_named(proxy), **found}
                continue
            places = legacy.places(dataplane)
            attached = [_place(place) for place, of in places if _holds(of.get(kind.name, ()), policy)]
            if attached:
                yield {"kind": "SidecarDataplane", **_named(proxy), "attachments": attached}

    def _by_target(self, dataplane: Resource, legacy: LegacyMesh) -> Document:
        view, registry = self._context.view, self._context.registry
        return {
            match.kind.name: [legacy.meta(policy.resource) for policy in match.policies]
            for match in matches(view, registry, subject_of(dataplane, view))
        }


def _named(proxy: Resource) -> Document:
    return {"dataplane": {"mesh": proxy.mesh, "name": proxy.name}}


def _place(place: Place) -> Document:
    named = {"name": place.name, "service": place.service}
    return {"type": place.type, **{key: value for key, value in named.items() if value}}


def _holds(policies: Iterable[ConnectionPolicy], policy: Resource) -> bool:
    return any(one.resource.key == policy.key for one in policies)


def _with_policy(gateway: Document | None, policy: Resource) -> Document | None:
    """What of a gateway a policy is attached to: listeners down to destinations, or the gateway as a whole."""
    if gateway is None:
        return None
    listeners = []
    for listener in gateway["listeners"]:
        hosts = [
            {**host, "routes": routes} for host in listener["hosts"] if (routes := _routes(host["routes"], policy))
        ]
        if hosts:
            listeners.append({**listener, "hosts": hosts})
    whole = policy.kind in gateway["policies"] and gateway["policies"][policy.kind]["name"] == policy.name
    return {"gateway": gateway["gateway"], "listeners": listeners} if listeners or whole else None


def _routes(routes: Iterable[Document], policy: Resource) -> list[Document]:
    found = []
    for route in routes:
        destinations = [
            {"tags": destination["tags"]}
            for destination in route["destinations"]
            if destination["policies"].get(policy.kind, {}).get("name") == policy.name
        ]
        if destinations:
            found.append({"route": route["route"], "destinations": destinations})
    return found


def _has(gateway: Document | None, wanted: Resource) -> bool:
    """Whether a gateway is made by this MeshGateway, or has this route."""
    if gateway is None:
        return False
    if wanted.kind == GATEWAY:
        return bool(gateway["gateway"]["name"] == wanted.name)
    hosts = (host for listener in gateway["listeners"] for host in listener["hosts"])
    return any(route["route"] == wanted.name for host in hosts for route in host["routes"])
