"""Answers how zones are and how far they are: what was sent and acknowledged, what was received, type by type."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import orjson
from aiohttp import web

from global_cp.elsewhere import ZONE_SYNC, Elsewhere
from global_cp.zone_state import Sight, Status, ZoneState, state_of
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
STATUS = ("zone", "status", "share", "since", "reasons", "heldBy", "lagRevisions", "ingresses")
"""What of a zone is shown where there are many."""


class ZoneSync:
    """`GET /zones/_status`, `/zones/{name}/_status` and `/zones/{name}/_sync`."""

    def __init__(
        self,
        zones: Zones,
        live: LiveView,
        publisher: Publisher,
        clock: Clock,
        elsewhere: Elsewhere,
        *,
        instance: str,
        stalled: float,
    ) -> None:
        """Args:
        zones: that are connected here.
        live: view of the store.
        publisher: of what zones get.
        clock: time.
        elsewhere: tells about zones that other replicas hold.
        instance: this replica.
        stalled: seconds after which something that should move counts as standing still.
        """
        self._zones, self._live, self._publisher, self._elsewhere = zones, live, publisher, elsewhere
        self._clock, self._instance, self._stalled = clock, instance, stalled

    def endpoints(self) -> Iterator[Endpoint]:
        """The calls."""
        yield Endpoint("GET", "/zones/_status", self._list, TITLE)
        yield Endpoint("GET", "/zones/{name}/_status", self._get, TITLE)
        yield Endpoint("GET", "/zones/{name}/_sync", self._sync, TITLE)

    def state(self, zone: Resource) -> ZoneState:
        """The state of a zone, as far as this replica knows."""
        insight = self._live.current.get("ZoneInsight", "", zone.name)
        connection, memory = self._zones.connections.get(zone.name), self._zones.memories.get(zone.name)
        now = self._clock.now_ns()
        sight = Sight(zone, insight, connection, memory, self._instance, now, self._stalled)
        return state_of(sight, read_drains(self._live.current).get(zone.name))

    def lag(self, name: str) -> int | None:
        """How many revisions a zone is behind; None when this replica does not know."""
        connection = self._zones.connections.get(name)
        return None if connection is None else max(0, connection.sender.lag())

    async def _list(self, _: web.Request) -> web.StreamResponse:
        zones = self._live.current.list("Zone")
        items = [_short(one) for one in await asyncio.gather(*map(self._anywhere, zones))]
        return answer({"total": len(items), "items": items})

    async def _get(self, request: web.Request) -> web.StreamResponse:
        return answer(_short(await self._anywhere(self._zone(request.match_info["name"]))))

    async def _sync(self, request: web.Request) -> web.StreamResponse:
        return answer(await self._anywhere(self._zone(request.match_info["name"])))

    async def answer(self, question: str) -> bytes:
        """How a zone is, `<zone>/`, for another replica; raises NotFound."""
        return orjson.dumps(self._document(self._zone(question.removesuffix("/"))))

    async def _anywhere(self, zone: Resource) -> JsonObject:
        """What the replica says to which the zone is connected."""
        document = self._document(zone)
        holder = document["heldBy"]
        if holder in (None, self._instance):
            return document
        told = await self._elsewhere.ask(zone.name, ZONE_SYNC)
        if told is not None:
            return told
        # It is recorded as connected, but nobody can say whether anything comes from it.
        lost = f"connected to {holder}, which does not answer"
        seen = {} if document["status"] == Status.DISABLED.value else {"status": Status.UNKNOWN.value}
        return {**document, **seen, "reasons": [lost, *document["reasons"]]}

    def _document(self, zone: Resource) -> JsonObject:
        """All that this replica knows of a zone."""
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
        return document

    def _offered(self, zone: str) -> str:
        """How other zones get the ingresses of a zone."""
        absences = read_absences(self._live.current)
        return "withdrawn" if zone in absences.ejected else "last" if zone in absences.lapsed else "offered"

    def _zone(self, name: str) -> Resource:
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


def _short(document: JsonObject) -> JsonObject:
    """What of a zone fits into a line."""
    return {key: document[key] for key in STATUS}
