"""How far a revision is: proven by answers, by reports where there are any, and never claimed without."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from global_cp.rollout_api import SILENT_PEER, RolloutApi
from global_cp.rollouts import Rollouts
from kds import features
from kds.rollout_report import Report
from tests.unit.kds.lab import REGISTRY, Global, Zone
from tests.unit.kds.test_stream import running, timeout
from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.runtime.config.multizone import MultizoneGlobalRollouts
from ursa.store.contract import Create, Delete


class Watched(Global):
    """A global that remembers rollouts."""

    def __init__(self) -> None:
        super().__init__()
        settings = MultizoneGlobalRollouts()
        self.rollouts = Rollouts(self.live, REGISTRY, self.zones, self.publisher, self.clock, kept=settings.kept)
        self.api = RolloutApi(self.rollouts, self.live, self.clock, settings=settings)

    async def open(self) -> None:
        await super().open()
        self.supervisor.start("rollouts", self.rollouts.run)

    def zone(self, name: str = "zone-1") -> JsonObject:
        """The zone's part of the newest rollout."""
        newest = self.api.document(self.rollouts.newest[0])
        return next((zone for zone in newest["zones"] if zone["name"] == name), {})


@pytest.fixture
async def centre() -> AsyncIterator[Watched]:
    side = Watched()
    async with running(side):
        await side.put(Resource("Config", "", "kuma-cluster-id", {"config": "id"}), Resource("Mesh", "", "default"))
        yield side


async def test_a_zone_that_reports_completes_when_its_proxies_have_it(centre: Watched) -> None:
    zone = Zone("zone-1", centre.port)
    async with running(zone):
        await centre.until(lambda: centre.zones.memories.get("zone-1"))
        await centre.put(timeout("a"))
        await centre.until(lambda: centre.zone().get("state") == "stored")
        # What else was written meanwhile may have gone in the same response, under its later revision.
        revision = centre.rollouts.newest[0].zones["zone-1"].report
        assert revision is not None and revision >= centre.rollouts.newest[0].number
        zone.client.report([Report(revision, 1, affected=3, acknowledged=2, planned=True)])
        await centre.until(lambda: centre.zone()["proxies"]["acknowledged"] == 2)
        assert centre.api.document(centre.rollouts.newest[0])["state"] == "progressing"
        zone.client.report(
            [Report(revision, 1, affected=3, acknowledged=2, rejected=1, planned=True, reasons=("bad",))]
        )
        await centre.until(lambda: centre.zone()["state"] == "rejected")
        assert centre.zone()["reasons"] == ["bad"]
        zone.client.report([Report(revision, 1, affected=3, acknowledged=3, planned=True)])
        await centre.until(lambda: centre.zone()["state"] == "complete")
        assert centre.api.document(centre.rollouts.newest[0])["state"] == "complete"


async def test_of_proxies_of_a_zone_that_does_not_report_nothing_is_claimed(
    centre: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "OF_CALLS", (features.PING, features.HASH_SUFFIX))
    zone = Zone("zone-1", centre.port)
    async with running(zone):
        await centre.until(lambda: centre.zones.memories.get("zone-1"))
        await centre.put(timeout("a"))
        await centre.until(lambda: centre.zone().get("state") == "stored")
        assert centre.zone()["proxies"]["note"] == SILENT_PEER
        assert centre.zone()["proxies"]["acknowledged"] is None


async def test_what_a_zone_refuses_is_a_rollout_that_was_rejected(centre: Watched) -> None:
    zone = Zone("zone-1", centre.port)
    await zone.store.open()
    async with running(zone):
        await zone.put(Resource("Secret", "default", "mine", {"data": "YQ=="}))
        await centre.until(lambda: centre.zones.memories.get("zone-1"))
        await centre.put(Resource("Secret", "default", "mine", {"data": "Yg=="}))
        await centre.until(lambda: centre.zone().get("state") == "rejected")
        assert "already exists" in centre.zone()["reasons"][0]


async def test_a_zone_that_is_not_there_has_nothing(centre: Watched) -> None:
    await centre.put(Resource("Zone", "", "away", {"enabled": True}), timeout("a"))
    await centre.until(lambda: centre.rollouts.newest)
    assert centre.zone("away")["state"] == "unknown"
    assert centre.api.document(centre.rollouts.newest[0])["state"] == "progressing"


async def test_every_write_keeps_its_own_revision_however_many_come_at_once(centre: Watched) -> None:
    zone = Zone("zone-1", centre.port)
    async with running(zone):
        await centre.until(lambda: centre.zones.memories.get("zone-1"))
        await centre.put(timeout("a"), timeout("b"))
        at_once = (
            [Delete(timeout("a").key)],
            [Create(timeout("c"))],
            [Delete(timeout("c").key)],
            [Create(timeout("d"))],
        )
        revisions = [revision for revision, _ in await asyncio.gather(*map(centre.store.write, at_once))]
        await centre.until(lambda: centre.rollouts.get(revisions[-1]))
        told = [
            [(change["name"], change["operation"]) for change in centre.api.document(found)["changes"]]
            for revision in revisions
            if (found := centre.rollouts.get(revision))
        ]
        assert told == [[("a", "deleted")], [("c", "created")], [("c", "deleted")], [("d", "created")]]
        await centre.until(lambda: zone.named("MeshTimeout", "d"))
        await centre.until(lambda: all(_stored(centre, revision) for revision in revisions))
        assert not zone.named("MeshTimeout", "a")


def _stored(centre: Watched, revision: int) -> bool:
    found = centre.rollouts.get(revision)
    return found is not None and "zone-1" in found.zones
