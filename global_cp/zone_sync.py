"""Answers how zones are and how far they are: what was sent and acknowledged, what was received, type by type."""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web

from global_cp.zone_state import ZoneState, state_of
from global_cp.zones import Zones
from kds.absence import read_absences
from kds.drains import read_drains, shares_of
from kds.publisher import Publisher
from kds.sync_views import received_view, sent_view
from ursa.api.answers import answer
from ursa.api.context import Endpoint
from ursa.errors import NotFound
from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.model.timestamps import rfc3339
from ursa.model.zone_proxy import WHOLE
from ursa.runtime.clock import Clock
from ursa.view.live import LiveView

TITLE = "Could not retrieve a resource"


class ZoneSync:
    """`GET /zones/_status`, `/zones/{name}/_status` and `/zones/{name}/_sync`."""

    def __init__(
        self, zones: Zones, live: LiveView, publisher: Publisher, clock: Clock, instance: str, *, stalled: float
    ) -> None:
        """Args: `stalled` are the seconds after which something that should move counts as standing still."""
        self._zones, self._live, self._publisher = zones, live, publisher
        self._clock, self._instance, self._stalled = clock, instance, stalled

    def endpoints(self) -> Iterator[Endpoint]:
        """The calls."""
        yield Endpoint("GET", "/zones/_status", self._list, TITLE)
        yield Endpoint("GET", "/zones/{name}/_status", self._get, TITLE)
        yield Endpoint("GET", "/zones/{name}/_sync", self._sync, TITLE)

    def state(self, zone: Resource) -> ZoneState:
        """The state of a zone."""
        insight = self._live.current.get("ZoneInsight", "", zone.name)
        connection, memory = self._zones.connections.get(zone.name), self._zones.memories.get(zone.name)
        now, here, stalled = self._clock.now_ns(), self._instance, self._stalled
        drain = read_drains(self._live.current).get(zone.name)
        return state_of(zone, insight, connection, memory, instance=here, now=now, stalled=stalled, drain=drain)

    def lag(self, name: str) -> int | None:
        """How many revisions a zone is behind; None when this replica does not know."""
        connection = self._zones.connections.get(name)
        return None if connection is None else max(0, connection.sender.lag())

    async def _list(self, _: web.Request) -> web.StreamResponse:
        items = [self._status(zone) for zone in self._live.current.list("Zone")]
        return answer({"total": len(items), "items": items})

    async def _get(self, request: web.Request) -> web.StreamResponse:
        return answer(self._status(self._zone(request)))

    async def _sync(self, request: web.Request) -> web.StreamResponse:
        zone = self._zone(request)
        connection, memory = self._zones.connections.get(zone.name), self._zones.memories.get(zone.name)
        document = {
            **self._status(zone),
            "connected": connection is not None,
            "revision": self._live.current.revision,
            "sent": sent_view(memory.sent) if memory is not None else {},
            "received": received_view(memory.received) if memory is not None else {},
            "unsendable": dict(self._publisher.held_back),
        }
        if connection is not None:
            document["instance"] = connection.session.zone_instance
            document["deliveredRevision"] = connection.sender.delivered_everything()
        return answer(document)

    def _offered(self, zone: str) -> str:
        """How other zones get the ingresses of a zone."""
        absences = read_absences(self._live.current)
        return "withdrawn" if zone in absences.ejected else "last" if zone in absences.lapsed else "offered"

    def _zone(self, request: web.Request) -> Resource:
        name = request.match_info["name"]
        zone = self._live.current.get("Zone", "", name)
        if zone is None:
            raise NotFound(f'Zone "{name}" not found')
        return zone

    def _status(self, zone: Resource) -> JsonObject:
        state = self.state(zone)
        return {
            "zone": zone.name,
            "status": state.status.value,
            "share": shares_of(self._live.current).get(zone.name, WHOLE),
            "since": rfc3339(state.since) if state.since else None,
            "reasons": list(state.reasons),
            "heldBy": state.holder or None,
            "lagRevisions": self.lag(zone.name),
            "ingresses": self._offered(zone.name),
        }
