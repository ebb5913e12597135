"""Which proxies a policy or a MeshService selects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from aiohttp import web

from ursa.api.answers import answer
from ursa.api.context import ApiContext, Endpoint
from ursa.api.paging import next_url, span_of
from ursa.api.proxies.matched import http_routes
from ursa.api.proxies.subjects import subject_of
from ursa.api.reader import Reader
from ursa.api.resources import kind_of, name_of
from ursa.api.slices import in_slices
from ursa.model.json import JsonObject
from ursa.model.kind import Family, Kind
from ursa.model.resource import Resource
from ursa.policies.core.policy import parse_policy
from ursa.policies.core.selection import select

Selects = Callable[[Resource], bool]

TITLE = "Could not retrieve policy"
MESH_SERVICE = "MeshService"
_POLICIES = (Family.LEGACY_POLICY, Family.TARGETREF_POLICY)


class Selected:
    """`…/_resources/dataplanes`."""

    def __init__(self, context: ApiContext, reader: Reader) -> None:
        self._context = context
        self._reader = reader

    def endpoints(self) -> Iterator[Endpoint]:
        """Routes; the first spelling with a dash is what Kuma's own command line asks for."""
        kinds = [k for k in self._context.registry if k.family in _POLICIES or k.name == MESH_SERVICE]
        paths = "|".join(re.escape(kind.path) for kind in sorted(kinds, key=lambda k: -len(k.path)))
        one = f"/meshes/{{mesh}}/{{path:{paths}}}/{{name}}"
        for tail in ("_resources", "-resources"):
            yield Endpoint("GET", f"{one}/{tail}/dataplanes", self.dataplanes, TITLE)
        yield Endpoint("GET", "/meshes/{mesh}/{path:meshservices}/{name}/_dataplanes", self.dataplanes, TITLE)

    async def dataplanes(self, request: web.Request) -> web.Response:
        """The proxies, by page."""
        kind, mesh = kind_of(request, self._context), request.match_info["mesh"]
        self._reader.check_mesh(mesh)
        selector = self._reader.get(kind, mesh, name_of(request))
        span, part = span_of(request), request.query.get("name", "")
        selects = self._selects(kind, selector)
        proxies = self._context.view.list("Dataplane", mesh)
        found = [d async for d in in_slices(proxies) if part in d.name and selects(d)]
        body: dict[str, Any] = {"total": len(found), "items": [_meta(d) for d in span.of(found)]}
        following = span.next(len(found))
        if following is not None:
            body["next"] = next_url(request, following)
        return answer(body)

    def _selects(self, kind: Kind, selector: Resource) -> Selects:
        if kind.name == MESH_SERVICE:
            return _by_mesh_service(selector.spec.get("selector", {}))
        if kind.family is Family.LEGACY_POLICY:
            return _by_selectors(selector.spec)
        policy = parse_policy(selector, kind)
        routes = http_routes(self._context.view, self._context.registry, selector.mesh)
        view = self._context.view

        def selects(dataplane: Resource) -> bool:
            # As in Kuma, what a policy would select counts: shadow policies do, and a zone's own ones in other zones.
            subject = subject_of(dataplane, view)
            return select(policy, subject, routes=routes, shadow=True, any_zone=True) is not None

        return selects


def _by_mesh_service(selector: JsonObject) -> Selects:
    name = selector.get("dataplaneRef", {}).get("name")
    tags, labels = selector.get("dataplaneTags", {}), selector.get("dataplaneLabels", {}).get("matchLabels", {})

    def selects(dataplane: Resource) -> bool:
        if name:
            return bool(dataplane.name == name)
        if labels:
            return all(dataplane.labels.get(k) == v for k, v in labels.items())
        return bool(tags) and any(_matches(tags, of) for of in _tag_sets(dataplane))

    return selects


def _by_selectors(spec: JsonObject) -> Selects:
    """Any selector, source or destination that matches some tag set of the proxy."""
    wanted = [s.get("match", {}) for part in ("selectors", "sources", "destinations") for s in spec.get(part, ())]
    return lambda d: any(_matches(match, of) for match in wanted for of in _tag_sets(d))


def _matches(wanted: Mapping[str, str], tags: Mapping[str, str]) -> bool:
    return all(k in tags and v in ("*", tags[k]) for k, v in wanted.items())


def _tag_sets(dataplane: Resource) -> Iterable[Mapping[str, str]]:
    networking = dataplane.spec.get("networking", {})
    for part in (*networking.get("inbound", ()), networking.get("gateway") or {}):
        yield part.get("tags", {})


def _meta(dataplane: Resource) -> dict[str, Any]:
    return {
        "type": dataplane.kind,
        "mesh": dataplane.mesh,
        "name": dataplane.name,
        "labels": dict(dataplane.labels),
    }
