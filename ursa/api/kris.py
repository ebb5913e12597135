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

MESH = "Mesh"


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
        self._access.reading(request, kri.name if kind.name == MESH else kri.mesh)
        found = resolve(self._context.view, kri, kind, self._context.place.zone)
        if found is None:
            raise NotFound(f"{kri} not found")
        return answer(to_rest(found, self._context.registry))


def resolve(view: View, kri: Kri, kind: Kind, here: str) -> Resource | None:
    """The object with this identifier.

    Args:
        view: where to look.
        kri: the identifier; a section is ignored.
        kind: its kind.
        here: name of this zone, empty on a global.
    """
    written = f"{kri.name}.{kri.namespace}" if kri.namespace else kri.name
    found = view.get(kind.name, kri.mesh, written)
    if found is not None and _is(found, kri, kind, here):
        return found
    labels = {DISPLAY_NAME: kri.name, ZONE: kri.zone, NAMESPACE: kri.namespace}
    given = {key: value for key, value in labels.items() if value}
    return view.get(kind.name, kri.mesh, hashed_name(kri.mesh, kri.name, given))


def _is(found: Resource, kri: Kri, kind: Kind, here: str) -> bool:
    """Whether an object of the right name is the one meant: objects without a zone label belong to this zone too."""
    of_here = kri.zone == here and ZONE not in found.labels
    return of_here or kri_of(found, kind) == str(kri._replace(section=""))
