"""Finds an object by its identifier, wherever it was written."""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web

from ursa.api.access import Access
from ursa.api.answers import answer
from ursa.api.context import ApiContext, Endpoint
from ursa.api.resources import ONE
from ursa.errors import NotFound
from ursa.model.forms import to_rest
from ursa.model.kind import Kind
from ursa.model.kri import Kri, kri_of, parse_kri
from ursa.model.labels import DISPLAY_NAME, NAMESPACE, ZONE
from ursa.model.resource import Resource
from ursa.model.synced_names import hashed_name
from ursa.view.view import View


class Kris:
    """GET by identifier."""

    def __init__(self, context: ApiContext, access: Access) -> None:
        self._context = context
        self._access = access

    def endpoints(self) -> Iterator[Endpoint]:
        """Its route."""
        yield Endpoint("GET", "/_kri/{kri}", self.get, ONE)

    async def get(self, request: web.Request) -> web.Response:
        """The object that the identifier names."""
        kri, kind = parse_kri(request.match_info["kri"], self._context.registry)
        self._access.resource(request, kind)
        found = resolve(self._context.view, kri, kind)
        if found is None:
            raise NotFound(f"{kri} not found")
        return answer(to_rest(found, self._context.registry))


def resolve(view: View, kri: Kri, kind: Kind) -> Resource | None:
    """The object, looked for under the name it has where it was written and under the one sync gives it."""
    labels = {DISPLAY_NAME: kri.name, ZONE: kri.zone, NAMESPACE: kri.namespace}
    labels = {key: value for key, value in labels.items() if value}
    written = f"{kri.name}.{kri.namespace}" if kri.namespace else kri.name
    for name in (kri.name, written, hashed_name(kri.mesh, kri.name, labels)):
        found = view.get(kind.name, kri.mesh, name)
        if found is not None and kri_of(found, kind) == str(kri._replace(section="")):
            return found
    return None
