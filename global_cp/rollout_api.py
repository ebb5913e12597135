"""`/rollouts`: whether a revision has arrived everywhere, as a document, and for those who want to wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import orjson
from aiohttp import web

from global_cp.elsewhere import Elsewhere
from global_cp.rollouts import STAGES, Revision, Rollouts
from kds.rollout_report import REPORT, Report
from kds.waiting import within
from ursa.api.answers import answer
from ursa.api.context import Endpoint
from ursa.errors import BadRequest, NotFound
from ursa.model.duration import parse_go
from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.model.timestamps import rfc3339
from ursa.runtime.clock import Clock
from ursa.runtime.config.multizone import MultizoneGlobalRollouts
from ursa.view.live import LiveView

SECOND = 1_000_000_000
SILENT_PEER = "unknown (peer does not report)"


class RolloutApi:
    """The calls."""

    def __init__(
        self,
        rollouts: Rollouts,
        live: LiveView,
        clock: Clock,
        elsewhere: Elsewhere | None = None,
        *,
        settings: MultizoneGlobalRollouts,
    ) -> None:
        """Args: `elsewhere` tells about zones that other replicas hold."""
        self._settings = settings
        self._rollouts, self._live, self._clock, self._elsewhere = rollouts, live, clock, elsewhere

    async def answer(self, question: str) -> bytes:
        """A zone's part of a rollout, `<zone>/<revision>`, for another replica; raises NotFound."""
        name, _, number = question.rpartition("/")
        zone = self._live.current.get("Zone", "", name)
        if zone is None or not number.isdigit():
            raise NotFound(f"no rollout is known for {question}")
        return orjson.dumps(self._zone(zone, self._find(int(number))))

    def endpoints(self) -> Iterator[Endpoint]:
        """Their routes."""
        yield Endpoint("GET", "/rollouts", self._list, "Could not list rollouts")
        yield Endpoint("GET", "/rollouts/{revision}", self._get, "Could not retrieve a rollout")

    async def _list(self, _: web.Request) -> web.StreamResponse:
        items = [await self._whole(revision) for revision in self._rollouts.newest]
        return answer({"total": len(items), "items": items})

    async def _get(self, request: web.Request) -> web.StreamResponse:
        text = request.match_info["revision"]
        if not text.isdigit():
            raise BadRequest(f"{text!r} is not a revision")
        number = int(text)
        stage, seconds = request.query.get("wait"), _seconds(request.query.get("timeout", "30s"))
        if stage is not None and stage not in STAGES:
            raise BadRequest(f"wait must be one of {', '.join(STAGES)}")
        zones = frozenset(filter(None, request.query.get("zones", "").split(",")))
        if stage is not None:
            await within(self._until(number, stage, zones), min(seconds, self._settings.max_wait), self._clock)
        return answer(await self._whole(self._find(number)))

    async def _until(self, number: int, stage: str, zones: frozenset[str]) -> None:
        """Returns when all of these zones, or all enabled ones, have reached a stage."""
        while True:
            document = await self._whole(self._find(number))
            found = [zone for zone in document["zones"] if not zones or zone["name"] in zones]
            wanted = ("stored", "complete") if stage == "stored" else ("complete",)
            if zones <= {zone["name"] for zone in found} and all(zone["state"] in wanted for zone in found):
                return
            pause = self._settings.ask_interval if self._held_elsewhere() else None
            await within(self._rollouts.moved(), pause, self._clock)

    def _find(self, number: int) -> Revision:
        known = self._rollouts.get(number)
        if known is not None:
            return known
        newest = self._rollouts.newest
        if number > self._live.current.revision or (newest and number < newest[-1].number):
            raise NotFound(f"revision {number} is not known")
        # Nothing that zones get, or from a time that was caught up: it has arrived when everything up to it has.
        return Revision(number, self._clock.now_ns())

    def _held_elsewhere(self) -> list[str]:
        """Zones that another replica holds."""
        if self._elsewhere is None:
            return []
        return [zone.name for zone in self._live.current.list("Zone") if self._elsewhere.holder(zone.name) is not None]

    async def _whole(self, revision: Revision) -> JsonObject:
        """A rollout with what other replicas know of it."""
        document = self.document(revision)
        held = set(self._held_elsewhere())
        if self._elsewhere is None or not held:
            return document
        asked = (self._elsewhere.ask(zone["name"], REPORT, str(revision.number)) for zone in document["zones"])
        told = await asyncio.gather(*asked)
        zones = [new or old for old, new in zip(document["zones"], told, strict=True)]
        return {**document, "zones": zones, "state": self._state(revision, [str(zone["state"]) for zone in zones])}

    def document(self, revision: Revision) -> JsonObject:
        """A rollout as the API shows it."""
        enabled = [zone for zone in self._live.current.list("Zone") if zone.spec.get("enabled") is not False]
        zones = [self._zone(zone, revision) for zone in enabled]
        return {
            "revision": revision.number,
            "committedAt": rfc3339(revision.committed_at),
            "changes": [
                {"type": c.key.kind, "mesh": c.key.mesh, "name": c.key.name, "operation": c.operation}
                for c in revision.changes
            ],
            "state": self._state(revision, [str(zone["state"]) for zone in zones]),
            "zones": zones,
        }

    def _state(self, revision: Revision, zones: list[str]) -> str:
        if all(state == "complete" for state in zones):
            return "complete"
        late = self._clock.now_ns() - revision.committed_at > self._settings.stuck_after * SECOND
        return "stuck" if late or "rejected" in zones else "progressing"

    def _zone(self, zone: Resource, revision: Revision) -> JsonObject:
        memory = self._rollouts.memory(zone.name)
        progress = self._rollouts.progress(zone.name, revision)
        report = self._rollouts.report(zone.name, progress) if progress is not None else None
        refused = self._refused(zone.name, revision)
        reports = memory is not None and memory.reports is not None
        if progress is None:
            state = "sent" if memory is not None and memory.open else "unknown"
        elif refused or (report is not None and report.rejected):
            state = "rejected"
        elif progress.report is None or (report is not None and report.complete):
            # Nothing was to be sent to it, or all of its proxies have it.
            state = "complete" if reports or progress.report is None else "stored"
        else:
            state = "stored"
        stored_at = progress.stored_at if progress is not None else 0
        return {
            "name": zone.name,
            "state": state,
            "revisionSeen": max(revision.number, progress.report or 0) if progress is not None else None,
            "storedAt": rfc3339(stored_at) if stored_at else None,
            "proxies": _proxies(report, reports=reports, touched=progress is None or progress.report is not None),
            "lagMs": max(0, stored_at - revision.committed_at) // 1_000_000 if stored_at else None,
            "reasons": [*refused, *(report.reasons if report is not None else ())],
        }

    def _refused(self, zone: str, revision: Revision) -> list[str]:
        """Why a zone did not take some of what the revision changed."""
        memory = self._rollouts.memory(zone)
        if memory is None:
            return []
        found = []
        for change in revision.changes:
            mark = memory.sent.get(change.key.kind)
            refused = mark.refused if mark is not None else {}
            names = self._rollouts.wire_names(change.key) if refused else frozenset()
            found += [reason for name, reason in refused.items() if name in names]
        return found


def _proxies(report: Report | None, *, reports: bool, touched: bool) -> JsonObject:
    if report is not None:
        return {"affected": report.affected, "acknowledged": report.acknowledged, "rejected": report.rejected}
    if reports and not touched:
        return {"affected": 0, "acknowledged": 0, "rejected": 0}
    note = "unknown (not reported yet)" if reports else SILENT_PEER
    return {"affected": None, "acknowledged": None, "rejected": None, "note": note}


def _seconds(text: str) -> float:
    try:
        return parse_go(text) / SECOND
    except ValueError as error:
        raise BadRequest(f"timeout: {error}") from None
