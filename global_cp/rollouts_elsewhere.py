"""How far zones are that are connected to another replica: only that one knows."""

from __future__ import annotations

import orjson

from global_cp.zones import newest_subscription
from kds.admin_calls import STATS, AdminQuery
from kds.replicas.catalogue import Replica, read_catalogue
from kds.replicas.peers import Peers
from kds.rollout_report import REPORT
from ursa.errors import Unavailable
from ursa.model.json import JsonObject
from ursa.view.live import LiveView


class RolloutsElsewhere:
    """Asks the replica that holds a zone."""

    def __init__(self, live: LiveView, peers: Peers, instance: str) -> None:
        self._live, self._peers, self._instance = live, peers, instance

    def holder(self, zone: str) -> Replica | None:
        """The other replica to which a zone is connected."""
        newest = newest_subscription(self._live.current.get("ZoneInsight", "", zone))
        holder = newest.get("globalInstanceId")
        if not newest or newest.get("disconnectTime") or holder == self._instance:
            return None
        return next((one for one in read_catalogue(self._live.current) if one.id == holder), None)

    async def ask(self, zone: str, revision: int) -> JsonObject | None:
        """A zone's part of a rollout; None when nobody can tell."""
        holder = self.holder(zone)
        if holder is None:
            return None
        try:
            answer = await self._peers.ask(holder, AdminQuery(STATS, REPORT, "", f"{zone}/{revision}"))
            document: JsonObject = orjson.loads(answer)
        except (Unavailable, orjson.JSONDecodeError):
            return None
        return document
