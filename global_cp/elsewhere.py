"""What only the replica knows to which a zone is connected, for all others: so every replica gives the same answers."""

from __future__ import annotations

import orjson

from global_cp.zones import RECORDED
from kds.admin_calls import STATS, AdminQuery
from kds.insight import stream_holder
from kds.replicas.catalogue import Replica, find_replica
from kds.replicas.peers import Peers
from kds.transport import DOWN
from kds.waiting import within
from ursa.errors import UrsaError
from ursa.model.json import JsonObject
from ursa.runtime.clock import Clock
from ursa.view.live import LiveView

ZONE_SYNC, ZONE_DRAIN = "ursa.ZoneSync", "ursa.ZoneDrain"
"""Between replicas, kinds of proxies that are none: how a zone is and how far, and what it makes of drains."""


class Elsewhere:
    """Asks the replica that holds a zone."""

    def __init__(self, live: LiveView, peers: Peers, clock: Clock, *, instance: str, patience: float) -> None:
        """Args: `patience` are the seconds for a replica to answer; it has everything at hand."""
        self._live, self._peers, self._clock = live, peers, clock
        self._instance, self._patience = instance, patience

    def holder(self, zone: str) -> Replica | None:
        """The other replica to which a zone is connected."""
        insight = self._live.current.get("ZoneInsight", "", zone)
        holder = stream_holder(insight.spec, RECORDED[DOWN]) if insight is not None else ""
        return None if holder in ("", self._instance) else find_replica(self._live.current, holder)

    async def ask(self, zone: str, topic: str, detail: str = "") -> JsonObject | None:
        """What that replica knows of a zone; None when nobody can tell."""
        holder = self.holder(zone)
        if holder is None:
            return None
        try:
            asking = self._peers.ask(holder, AdminQuery(STATS, topic, "", f"{zone}/{detail}"))
            answer = await within(asking, self._patience, self._clock)
            document: JsonObject | None = orjson.loads(answer) if answer is not None else None
        except (UrsaError, orjson.JSONDecodeError):
            return None
        return document
