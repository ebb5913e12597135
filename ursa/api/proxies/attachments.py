"""The older inspection calls, which Kuma's command line still makes: where on a proxy a policy is attached."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from aiohttp import web

from ursa.api.answers import answer
from ursa.api.context import ApiContext, Endpoint
from ursa.api.proxies.matched import http_routes, matches
from ursa.api.proxies.subjects import subject_of
from ursa.api.reader import Reader
from ursa.api.resources import kind_of, name_of
from ursa.model.dataplane import Dataplane, parse_dataplane
from ursa.model.forms import to_rest
from ursa.model.kind import Family, Kind
from ursa.model.resource import Resource
from ursa.policies.core.policy import parse_policy
from ursa.policies.core.selection import select

SIDECAR, GATEWAY = "SidecarDataplane", "MeshGatewayDataplane"
_META = ("type", "mesh", "name", "creationTime", "modificationTime", "labels", "kri")
_GATEWAYS = ("MeshGateway", "MeshGatewayRoute")
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
        """Proxies a policy selects; an unknown policy selects none, as in Kuma."""
        kind, mesh = kind_of(request, self._context), request.match_info["mesh"]
        self._reader.check_mesh(mesh)
        policy = self._context.view.get(kind.name, mesh, name_of(request))
        items = [] if policy is None else [item for d in self._proxies(mesh) if (item := self._item(d, policy, kind))]
        return answer({"total": len(items), "items": items})

    async def of_gateway(self, request: web.Request) -> web.Response:
        """Builtin gateways that a MeshGateway or one of its routes selects."""
        kind, mesh = kind_of(request, self._context), request.match_info["mesh"]
        self._reader.check_mesh(mesh)
        selectors = self._reader.get(kind, mesh, name_of(request)).spec.get("selectors", ())
        items = [
            {"dataplane": {"mesh": mesh, "name": proxy.name}}
            for proxy in self._proxies(mesh)
            if (gateway := proxy.spec.get("networking", {}).get("gateway"))
            and any(_fits(s.get("match", {}), gateway.get("tags", {})) for s in selectors)
        ]
        return answer({"total": len(items), "items": items})

    async def of_proxy(self, request: web.Request) -> web.Response:
        """Policies of a proxy, by what on it they are attached to."""
        mesh = request.match_info["mesh"]
        self._reader.check_mesh(mesh)
        dataplane = self._reader.get(self._context.registry["Dataplane"], mesh, name_of(request))
        items = [*self._by_inbound(dataplane), *self._on_proxy(dataplane)]
        return answer({"kind": _kind(dataplane), "total": len(items), "items": items})

    def _proxies(self, mesh: str) -> Iterator[Resource]:
        yield from self._context.view.list("Dataplane", mesh)

    def _item(self, dataplane: Resource, policy: Resource, kind: Kind) -> dict[str, Any] | None:
        if kind.family is Family.LEGACY_POLICY:
            attached = [place for place, tags in _places(parse_dataplane(dataplane)) if _selects(policy, tags)]
        else:
            view = self._context.view
            routes = http_routes(view, self._context.registry, policy.mesh)
            selection = select(parse_policy(policy, kind), subject_of(dataplane, view), routes=routes)
            attached = [] if selection is None else [{"type": "dataplane"}]
        if not attached:
            return None
        name = {"mesh": dataplane.mesh, "name": dataplane.name}
        return {"kind": _kind(dataplane), "dataplane": name, "attachments": attached}

    def _on_proxy(self, dataplane: Resource) -> Iterator[dict[str, Any]]:
        view, registry = self._context.view, self._context.registry
        found = {
            match.kind.name: [self._meta(policy.resource) for policy in match.policies]
            for match in matches(view, registry, subject_of(dataplane, view))
        }
        if found:
            yield {"type": "dataplane", "matchedPolicies": found}

    def _by_inbound(self, dataplane: Resource) -> Iterator[dict[str, Any]]:
        legacy = [k for k in self._context.registry if k.family is Family.LEGACY_POLICY and k.name not in _GATEWAYS]
        for place, tags in _places(parse_dataplane(dataplane)):
            found = {
                kind.name: [self._meta(policy) for policy in policies]
                for kind in legacy
                if (policies := [p for p in self._context.view.list(kind.name, dataplane.mesh) if _selects(p, tags)])
            }
            if found:
                yield {**place, "matchedPolicies": found}

    def _meta(self, resource: Resource) -> dict[str, Any]:
        document = to_rest(resource, self._context.registry)
        return {key: document[key] for key in _META if key in document}


def _places(dataplane: Dataplane) -> Iterator[tuple[dict[str, Any], Mapping[str, str]]]:
    for inbound in dataplane.inbounds:
        name = f"{inbound.address}:{inbound.port}:{inbound.workload_port}"
        yield {"type": "inbound", "name": name, "service": inbound.service}, inbound.tags


def _selects(policy: Resource, tags: Mapping[str, str]) -> bool:
    """Whether a policy's destinations (or, for policies on proxies, its selectors) fit the tags of an inbound."""
    wanted = policy.spec.get("destinations") or policy.spec.get("selectors") or ()
    return any(_fits(selector.get("match", {}), tags) for selector in wanted)


def _fits(wanted: Mapping[str, str], tags: Mapping[str, str]) -> bool:
    return all(key in tags and value in ("*", tags[key]) for key, value in wanted.items())


def _kind(dataplane: Resource) -> str:
    gateway = dataplane.spec.get("networking", {}).get("gateway") or {}
    return GATEWAY if gateway.get("type") == "BUILTIN" else SIDECAR
