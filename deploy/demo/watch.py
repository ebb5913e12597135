"""Looks at the control planes from outside, once a second, as any dashboard would."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from deploy.demo.layout import ControlPlane, Layout, Zone
from deploy.demo.waiting import fetch

INTERVAL = 1.0
_CONNECTED = re.compile(rb"^ursa_proxies_connected(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ZoneState:
    """How a zone is doing.

    Attributes:
        proxies: how many have a stream to the zone's control plane; None while that one does not answer.
        connected: whether the global sees the zone; None while the global does not answer.
        delivered: the newest revision of the global up to which the zone was seen to have everything.
    """

    proxies: int | None = None
    connected: bool | None = None
    delivered: int | None = None


@dataclass(slots=True)
class Watch:
    """The newest state of everything; `revision` is that of the global, None while it does not answer."""

    layout: Layout
    revision: int | None = None
    newest: int = 0
    zones: dict[str, ZoneState] = field(default_factory=dict)

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(INTERVAL)

    async def look(self) -> None:
        """Looks once."""
        zones = self.layout.zones
        answers = await asyncio.gather(*(self._sync(zone) for zone in zones), *(_proxies(zone) for zone in zones))
        syncs, counts = answers[: len(zones)], answers[len(zones) :]
        self.revision = max((sync["revision"] for sync in syncs if sync is not None), default=None)
        self.newest = max(self.newest, self.revision or 0)
        for zone, sync, count in zip(zones, syncs, counts, strict=True):
            before = self.zones.get(zone.name, ZoneState())
            if sync is None:
                self.zones[zone.name] = ZoneState(count, None, before.delivered)
            else:
                delivered = sync.get("deliveredRevision", before.delivered)
                self.zones[zone.name] = ZoneState(count, sync["connected"], delivered)

    @property
    def settled(self) -> bool:
        """Whether all zones are connected and have everything the global has."""
        return self.revision is not None and all(
            state.connected and state.delivered == self.revision for state in self.zones.values()
        )

    async def _sync(self, zone: Zone) -> dict[str, Any] | None:
        body = await _ask(self.layout.centre.api_port, f"zones/{zone.name}/_sync")
        return orjson.loads(body) if body else None


async def _proxies(zone: ControlPlane) -> int | None:
    body = await _ask(zone.diagnostics_port, "metrics")
    found = _CONNECTED.search(body) if body else None
    return round(float(found[1])) if found else None


async def _ask(port: int, path: str) -> bytes | None:
    try:
        return await fetch(f"http://127.0.0.1:{port}/{path}")
    except (aiohttp.ClientError, TimeoutError):
        return None
