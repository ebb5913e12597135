"""How far zones are that are connected to another replica: only that one knows."""

from __future__ import annotations

import orjson

from global_cp.zones import RECORDED
from kds.admin_calls import STATS, AdminQuery
from kds.insight import stream_holder
from kds.replicas.catalogue import Replica, find_replica
from kds.replicas.peers import Peers
from kds.rollout_report import REPORT
from kds.transport import DOWN
from ursa.errors import Unavailable
from ursa.model.json import JsonObject
from ursa.view.live import LiveView


class RolloutsElsewhere:
    """Asks the replica that holds a zone."""

    def __init__(self, live: LiveView, peers: Peers, instance: str) -> None:
        self._live, self._peers, self._instance = live, peers, instance

    def holder(self, zone: str) -> Replica | None:
        """The other replica to which a zone is connected."""
        insight = self._live.current.get("ZoneInsight", "", zone)
        holder = stream_holder(insight.spec, RECORDED[DOWN]) if insight is not None else ""
        return None if holder in ("", self._instance) else find_replica(self._live.current, holder)

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
