"""Which Dataplanes belong to which MeshServices of this zone.

A changed Dataplane is compared with the services that ask for one of its service tags and with the few that ask for
none; no service looks at all Dataplanes again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ursa.model.dataplane import Dataplane, parse_dataplane
from ursa.model.labels import SERVICE_TAG
from ursa.model.real_service import MESH_SERVICE
from ursa.model.resource import Resource, ResourceKey
from ursa.topology.services.generated import is_local
from ursa.topology.services.reach import selects
from ursa.view.view import Touched, View, services_of

ANY = ""
"""Stands for the tag of services that ask for none."""


class LocalInstances:
    """The Dataplanes of every MeshService of this zone, by name."""

    def __init__(self, zone: str) -> None:
        self._zone = zone
        self._of: dict[ResourceKey, dict[str, Dataplane]] = {}
        self._tag: dict[ResourceKey, str] = {}
        self._by_tag: dict[tuple[str, str], set[ResourceKey]] = {}

    def of(self, service: ResourceKey) -> Mapping[str, Dataplane] | None:
        """The Dataplanes of a MeshService, None when it is not one of this zone."""
        return self._of.get(service)

    def update(self, view: View, touched: Touched) -> set[ResourceKey]:
        """Takes over a step of the view; returns the MeshServices that it concerns."""
        concerned = set()
        for change in touched.of(MESH_SERVICE):
            self._select(view, change.key)
            concerned.add(change.key)
        for change in touched.of("Dataplane"):
            for key in self._asking(change.key.mesh, change.before, change.after):
                if self._place(view.get(*key), change.key.name, change.after):
                    concerned.add(key)
        return concerned

    def _select(self, view: View, key: ResourceKey) -> None:
        """Finds the Dataplanes of a service that is new, changed or gone."""
        if key in self._of:
            del self._of[key]
            self._by_tag[key.mesh, self._tag.pop(key)].discard(key)
        service = view.get(*key)
        if service is None or not is_local(service, self._zone):
            return
        tag: str = ((service.spec.get("selector") or {}).get("dataplaneTags") or {}).get(SERVICE_TAG, ANY)
        self._tag[key] = tag
        self._by_tag.setdefault((key.mesh, tag), set()).add(key)
        candidates = view.list("Dataplane", key.mesh) if tag == ANY else view.serving(key.mesh, tag).values()
        parsed = map(parse_dataplane, candidates)
        self._of[key] = {dataplane.name: dataplane for dataplane in parsed if selects(service, dataplane)}

    def _asking(self, mesh: str, *states: Resource | None) -> Iterator[ResourceKey]:
        """The services that a Dataplane may belong to in one of its states."""
        tags = {ANY}
        for state in states:
            tags |= services_of(state) if state is not None else set()
        for tag in tags:
            yield from self._by_tag.get((mesh, tag), ())

    def _place(self, service: Resource | None, name: str, after: Resource | None) -> bool:
        """Adds, replaces or removes one Dataplane of a service; tells whether it is or was one."""
        if service is None:
            return False
        known = self._of[service.key]
        before = known.pop(name, None)
        dataplane = parse_dataplane(after) if after is not None else None
        if dataplane is None or not selects(service, dataplane):
            return before is not None
        known[name] = dataplane
        return True
