"""Answers how far a zone is: what was sent and acknowledged, what was received, type by type."""

from __future__ import annotations

from aiohttp import web

from global_cp.zones import Zones
from kds.sync_views import received_view, sent_view
from ursa.api.answers import answer
from ursa.api.context import Endpoint
from ursa.errors import NotFound
from ursa.model.timestamps import rfc3339
from ursa.view.live import LiveView


class ZoneSync:
    """`GET /zones/{name}/_sync`."""

    def __init__(self, zones: Zones, live: LiveView) -> None:
        self._zones, self._live = zones, live

    def endpoint(self) -> Endpoint:
        """The call."""
        return Endpoint("GET", "/zones/{name}/_sync", self._handle, "Could not retrieve a resource")

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        view = self._live.current
        if view.get("Zone", "", name) is None:
            raise NotFound(f'Zone "{name}" not found')
        connection = self._zones.connections.get(name)
        if connection is None:
            return answer({"zone": name, "connected": False, "revision": view.revision})
        return answer(
            {
                "zone": name,
                "connected": True,
                "since": rfc3339(connection.session.connected_at),
                "instance": connection.session.zone_instance,
                "revision": view.revision,
                "deliveredRevision": connection.sender.delivered_everything(),
                "sent": sent_view(connection.sender.marks),
                "received": received_view(self._zones.memories[name].received),
            }
        )
