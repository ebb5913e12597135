"""Monitoring assignments: one for every proxy that shows its metrics, made when somebody asks.

What was made of a Dataplane is kept while neither it nor its mesh changes, so that an answer after a small change costs
little more than its bytes. The version is a hash of the content: an answer of another instance, or after a restart, has
the same one, and nobody takes over what has not changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import orjson
import xxhash

from ursa.model.dataplane import parse_dataplane
from ursa.model.json import JsonObject
from ursa.model.resource import Resource, ResourceKey
from ursa.planner.meshes import MeshState
from ursa.planner.monitoring import Shown
from ursa.planner.zone import ZonePlanner
from ursa.view.view import View

TYPE_URL = "type.googleapis.com/kuma.observability.v1.MonitoringAssignment"


@dataclass(frozen=True, slots=True)
class Assigned:
    """What one kind of client should read."""

    version: str
    resources: tuple[JsonObject, ...]


@dataclass(frozen=True, slots=True)
class _Made:
    """What was made of a Dataplane, and of what."""

    resource: Resource
    state: MeshState | None
    shown: tuple[tuple[Shown, JsonObject], ...]


class MonitoringAssignments:
    """All assignments of a zone."""

    def __init__(self, planner: ZonePlanner) -> None:
        self._planner = planner
        self._made: dict[ResourceKey, _Made] = {}

    def of(self, client: str, view: View) -> Assigned:
        """What a client should read; one that nobody names gets what is for nobody in particular."""
        made = {resource.key: self._of(resource) for resource in view.list("Dataplane")}
        self._made = made
        named = {one.client for of in made.values() for one, _ in of.shown if one.client}
        wanted = client if client in named else ""
        resources = tuple(_for(made.values(), wanted))
        return Assigned(xxhash.xxh3_128_hexdigest(orjson.dumps(resources)), resources)

    def _of(self, resource: Resource) -> _Made:
        known, state = self._made.get(resource.key), self._planner.mesh(resource.mesh)
        # What is known of a gateway depends on its MeshGateway, too; there are few of them.
        if known is not None and known.resource is resource and known.state is state and not _is_gateway(resource):
            return known
        shown = self._planner.shown_metrics(resource)
        return _Made(resource, state, tuple((one, _assignment(resource, one)) for one in shown))


def _is_gateway(resource: Resource) -> bool:
    return parse_dataplane(resource).builtin_gateway


def _for(made: Iterable[_Made], client: str) -> Iterator[JsonObject]:
    return (assignment for of in made for one, assignment in of.shown if one.client in (None, client))


def _assignment(resource: Resource, shown: Shown) -> JsonObject:
    address = f"[{shown.address}]" if ":" in shown.address else shown.address
    target = {
        "name": resource.name,
        "scheme": "https" if shown.secured else "http",
        "address": f"{address}:{shown.port}",
        "metrics_path": shown.path,
        "labels": dict(shown.labels),
    }
    service = parse_dataplane(resource).identifying_service
    return {"@type": TYPE_URL, "mesh": resource.mesh, "service": service, "targets": [target], "labels": {}}
