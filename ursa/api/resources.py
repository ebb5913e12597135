"""Lists, reads, writes and deletes objects of every kind: routes are generated from the registry, not listed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from aiohttp import web

from ursa.api.access import Access
from ursa.api.answers import DRY_RUN, REVISION, answer, body_of, is_true
from ursa.api.audit import Audit
from ursa.api.context import ApiContext, Endpoint, Shape
from ursa.api.filters import Query, matching
from ursa.api.paging import page, span_of
from ursa.api.reader import Reader
from ursa.api.watching import WATCH, watch
from ursa.errors import BadRequest, InvalidResource, Violation
from ursa.model.forms import to_kubernetes, to_rest
from ursa.model.kind import Kind, Scope
from ursa.model.resource import Resource

ONE, MANY = "Could not retrieve a resource", "Could not retrieve resources"
PUT, DELETE = "Could not process a resource", "Could not delete a resource"
UNIVERSAL, KUBERNETES = "universal", ("k8s", "kubernetes")
SERVICE_INSIGHT = "ServiceInsight"
"""The one kind that has no Kubernetes form."""


class Resources:
    """The calls on objects."""

    def __init__(self, context: ApiContext, reader: Reader, access: Access, audit: Audit) -> None:
        self._context = context
        self._reader = reader
        self._access = access
        self._audit = audit

    def endpoints(self) -> Iterator[Endpoint]:
        """Routes of all kinds with a path."""
        everything = one_of(self._context, Scope.GLOBAL, Scope.MESH)
        meshed, single = one_of(self._context, Scope.MESH), one_of(self._context, Scope.GLOBAL)
        for path in (f"/{everything}", f"/meshes/{{mesh}}/{meshed}"):
            yield Endpoint("GET", path, self.list, MANY, shape=Shape.PAGE)
            yield Endpoint("GET", path + "/", self.list, MANY, shape=Shape.PAGE)
        for path in (f"/{single}/{{name}}", f"/meshes/{{mesh}}/{meshed}/{{name}}"):
            yield Endpoint("GET", path, self.get, ONE, shape=Shape.OBJECT)
            yield Endpoint("PUT", path, self.put, PUT, shape=Shape.WRITE)
            yield Endpoint("DELETE", path, self.delete, DELETE, shape=Shape.WRITE)

    async def list(self, request: web.Request) -> web.StreamResponse:
        """GET of many, once or for as long as the caller wants to watch."""
        kind, mesh = kind_of(request, self._context), request.match_info.get("mesh")
        self._access.resource(request, kind)
        if mesh is not None:
            self._reader.check_mesh(mesh)
        span = span_of(request)
        query = Query(request.query, f"/meshes/{{mesh}}/{kind.path}" if mesh is not None else f"/{kind.path}")

        def select(listed: Iterable[Resource]) -> Sequence[Resource]:
            inside = [r for r in listed if mesh in (None, r.mesh)]
            return matching(self._access.visible(request, inside) if mesh is None else inside, kind, query)

        if is_true(request, WATCH):
            return await watch(request, self._context, kind, select)
        found = select(self._reader.list(kind, mesh))
        items = [to_rest(r, self._context.registry) for r in span.of(found)]
        return answer(page(request, items, len(found), span))

    async def get(self, request: web.Request) -> web.Response:
        """GET of one."""
        kind, mesh, name = self._target(request)
        if mesh:
            self._reader.check_mesh(mesh)
        found = self._reader.get(kind, mesh, name)
        return answer(self.form(request, found), headers={"ETag": f'"{found.version}"'} if found.version else None)

    async def put(self, request: web.Request) -> web.Response:
        """Create or replace."""
        kind, mesh, name = self._target(request)
        document = await body_of(request, kind.name)
        dry_run = is_true(request, DRY_RUN)
        expected = expected_version(request)
        written = await self._context.resources.put(kind, mesh, name, document, dry_run=dry_run, expected=expected)
        if not dry_run:
            self._audit.written(request, written.before, written.resource, written.revision)
        body: dict[str, Any] = {"warnings": list(written.warnings)} if written.warnings else {}
        headers = {REVISION: str(written.revision), "X-Ursa-Changed": str(written.changed).lower()}
        return answer(body, status=201 if written.created else 200, headers=headers)

    async def delete(self, request: web.Request) -> web.Response:
        """Delete."""
        kind, mesh, name = self._target(request)
        dry_run = is_true(request, DRY_RUN)
        expected = expected_version(request)
        deleted = await self._context.resources.delete(kind, mesh, name, dry_run=dry_run, expected=expected)
        if not dry_run:
            self._audit.written(request, deleted.before, None, deleted.revision)
        return answer({}, headers={REVISION: str(deleted.revision)})

    def form(self, request: web.Request, resource: Resource) -> dict[str, Any]:
        """The form that `?format=` asks for. Raises InvalidResource when it is not one."""
        wanted = request.query.get("format", UNIVERSAL)
        if wanted == UNIVERSAL or resource.kind == SERVICE_INSIGHT:
            return to_rest(resource, self._context.registry)
        if wanted in KUBERNETES:
            system = self._context.settings.store.kubernetes.system_namespace
            return to_kubernetes(resource, self._context.registry, request.query.get("namespace") or system)
        raise InvalidResource([Violation("", '"format" must be one of ["k8s", "kubernetes", "universal"]')])

    def _target(self, request: web.Request) -> tuple[Kind, str, str]:
        kind = kind_of(request, self._context)
        self._access.resource(request, kind)
        return kind, request.match_info.get("mesh", ""), name_of(request)


def expected_version(request: web.Request) -> int | None:
    """The version that `If-Match` names, as `ETag` gave it; 0 stands for an object that is not there.

    Raises:
        BadRequest: it is not one of ours.
    """
    text = request.headers.get("If-Match", "*").strip()
    if text == "*":
        return None
    if not text.strip('"').isdecimal():
        raise BadRequest(f"If-Match has to be an ETag of this object, not {text}")
    return int(text.strip('"'))


def one_of(context: ApiContext, *scopes: Scope, overviews: bool = False) -> str:
    """A route variable that matches the paths of all kinds of these scopes and nothing else."""
    kinds = [k for k in context.registry if k.scope in scopes and k.path and (k.overview or not overviews)]
    paths = sorted({p for k in kinds for p in (k.path, *k.path_aliases)}, key=len, reverse=True)
    return f"{{path:{'|'.join(map(re.escape, paths))}}}"


def kind_of(request: web.Request, context: ApiContext) -> Kind:
    """The kind that the path names. Raises HTTPNotFound."""
    kind = context.registry.by_path(request.match_info["path"])
    if kind is None:
        raise web.HTTPNotFound
    return kind


def name_of(request: web.Request) -> str:
    """The name in the path; an encoded slash is part of no name. Raises HTTPNotFound."""
    name: str = request.match_info["name"]
    if "/" in name:
        raise web.HTTPNotFound
    return name
