"""`/zones/{name}/_drain` and `/_undrain`: takes the traffic of other zones away from one, gradually, and gives it back.

Orders are written to the store and carried out by whoever leads. What the drain can do depends on the other zones,
too: those that know no shares are told, and so is whoever looks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import orjson
from aiohttp import web

from global_cp.drain_capacity import stranded_without
from global_cp.drain_steps import advanced, begun, going_on, next_step, steps_made, steps_of, unfinished
from global_cp.elsewhere import ZONE_DRAIN, Elsewhere
from global_cp.zones import Zones, newest_subscription
from kds import features
from kds.drains import CONFIG, Drain, read_drains, write_drains
from kds.waiting import within
from ursa.api.answers import DRY_RUN, REVISION, answer, is_true
from ursa.api.audit import Audit
from ursa.api.context import Endpoint
from ursa.api.failures import Failure
from ursa.errors import BadRequest, Conflict, InvalidResource, NotFound, Violation
from ursa.model.duration import format_go, parse_go
from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.model.timestamps import rfc3339
from ursa.model.zone_proxy import WHOLE
from ursa.runtime.clock import Clock
from ursa.runtime.config import Settings
from ursa.store.contract import Store
from ursa.view.live import LiveView
from ursa.view.view import View

SECOND = 1_000_000_000
PATIENCE = 5.0
"""Seconds for which a call waits until this replica sees what has been written."""
ATTEMPTS = 10
"""Orders to several zones at once get into each other's way; each is tried so often."""

REFUSED = "Could not drain a zone"
EXACT, WHOLE_INSTANCES, UNKNOWN = "exact", "whole instances", "unknown"
_TELLING = {
    EXACT: "",
    WHOLE_INSTANCES: "the peer cannot be told shares: it sees fewer instances, the last one until the end",
}

_OVER: JsonObject = {"type": "string", "description": "how long it takes, as in 10m"}
DRAIN_BODY: JsonObject = {
    "type": "object",
    "properties": {"over": _OVER, "force": {"type": "boolean", "description": "even if some services go nowhere"}},
    "additionalProperties": False,
}
UNDRAIN_BODY: JsonObject = {"type": "object", "properties": {"over": _OVER}, "additionalProperties": False}


@dataclass(frozen=True, slots=True)
class _Order:
    """What a caller wants: a share to reach, and how."""

    target: int
    over: int
    force: bool = False


class DrainApi:
    """The calls."""

    def __init__(
        self, settings: Settings, store: Store, live: LiveView, zones: Zones, clock: Clock, elsewhere: Elsewhere
    ) -> None:
        self._limits, self._store, self._live = settings.multizone.global_.drain, store, live
        self._zones, self._clock, self._elsewhere = zones, clock, elsewhere
        self._audit = Audit(settings.api_server.audit, clock)

    def endpoints(self) -> Iterator[Endpoint]:
        """Their routes. Whoever may write what stands outside meshes may drain, as it may disable a zone."""
        yield Endpoint("GET", "/zones/{name}/_drain", self._get, "Could not retrieve a resource")
        yield Endpoint("POST", "/zones/{name}/_drain", self._drain, REFUSED, body=DRAIN_BODY)
        yield Endpoint("POST", "/zones/{name}/_undrain", self._undrain, "Could not undrain a zone", body=UNDRAIN_BODY)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        """How far a zone is on its way out or back."""
        return answer(await self._document(self._live.current, _zone(request, self._live.current)))

    async def answer(self, question: str) -> bytes:
        """What a zone makes of the drains of a revision, `<zone>/<revision>`, for another replica; raises NotFound."""
        name, _, number = question.rpartition("/")
        told = self._told_here(name, int(number)) if number.isdigit() else None
        if told is None:
            raise NotFound(f"zone {name} is not connected here")
        return orjson.dumps(told)

    async def _drain(self, request: web.Request) -> web.StreamResponse:
        """Takes the traffic of other zones away from a zone, step by step."""
        body = await _body(request, ("over", "force"))
        force = body.get("force", False)
        if not isinstance(force, bool):
            raise InvalidResource([Violation("force", "must be true or false")])
        default = round(self._limits.over * SECOND)
        return await self._carry_out(request, _Order(0, _duration(body, default), force))

    async def _undrain(self, request: web.Request) -> web.StreamResponse:
        """Gives a zone its traffic back, at once or step by step."""
        body = await _body(request, ("over",))
        return await self._carry_out(request, _Order(WHOLE, _duration(body, 0)))

    async def _carry_out(self, request: web.Request, order: _Order) -> web.StreamResponse:
        dry = is_true(request, DRY_RUN)
        for attempt in range(1, ATTEMPTS + 1):
            view = await self._newest()
            zone = _zone(request, view)
            drains = self._decided(view, zone.name, order)
            if dry or drains == read_drains(view):
                return answer(await self._document(view, zone, drains))
            with suppress(Conflict):
                revision = await write_drains(self._store, view, drains)
                break
            if attempt == ATTEMPTS:
                raise Conflict("drains of other zones are being changed, try again")
        about = {"type": "Zone", "resource": zone.name, "over": format_go(order.over), "revision": revision}
        operation = "undrained" if order.target else "drained"
        self._audit.ordered(request, operation, about | ({"forced": True} if order.force else {}))
        view = await self._newest(revision)
        return answer(await self._document(view, zone, drains, revision), headers={REVISION: str(revision)})

    async def _newest(self, revision: int | None = None) -> View:
        """The view once it shows a revision, or everything that has been written by now."""
        wanted = revision if revision is not None else await self._store.revision()
        await within(self._live.wait_for(wanted), PATIENCE, self._clock)
        return self._live.current

    def _decided(self, view: View, zone: str, order: _Order) -> Mapping[str, Drain]:
        """All drains with this order; refuses one that others could not bear."""
        drains = dict(read_drains(view))
        before, now = drains.get(zone), self._clock.now_ns()
        if before is None and order.target == WHOLE:
            return drains
        if before is not None and before.target == order.target and (before.done or before.over == order.over):
            # The same order once more: whoever repeats it because no answer came must not start anew.
            if order.force and not before.forced:
                overruled = going_on(replace(before, forced=True), now)
                drains[zone] = advanced(overruled, self._limits, now)
            return drains
        if order.target == 0 and not order.force and (stranded := stranded_without(view, zone)):
            named = ", ".join(f"{one.service} (mesh {one.mesh})" for one in stranded)
            violations = tuple(Violation(f"{one.mesh}/{one.service}", one.reason) for one in stranded)
            raise Failure(409, REFUSED, f"other zones cannot take over: {named}", violations)
        new = begun(before, order.target, over=order.over, now=now, forced=order.force)
        return unfinished(drains | {zone: advanced(new, self._limits, now)})

    async def _document(
        self, view: View, zone: Resource, drains: Mapping[str, Drain] | None = None, revision: int | None = None
    ) -> JsonObject:
        """The progress of a zone."""
        found = read_drains(view) if drains is None else drains
        drain = found.get(zone.name)
        config = view.get("Config", "", CONFIG)
        stands = revision if revision is not None else config.version if config is not None else 0
        others = [one.name for one in view.list("Zone") if one.name != zone.name]
        return {
            "zone": zone.name,
            "state": _state(drain),
            "share": drain.share if drain is not None else WHOLE,
            **self._way(drain),
            "revision": stands,
            "stranded": [
                {"mesh": one.mesh, "service": one.service, "clients": list(one.clients)}
                for one in (stranded_without(view, zone.name) if drain is not None and drain.target == 0 else ())
            ],
            "zones": await asyncio.gather(*(self._told(view, other, stands) for other in others)),
        }

    def _way(self, drain: Drain | None) -> JsonObject:
        """Times and steps; of a zone that is on no way, none."""
        if drain is None:
            return {}
        now = self._clock.now_ns()
        upcoming = next_step(drain, self._limits, now)
        return {
            "from": drain.origin,
            "to": drain.target,
            "over": format_go(drain.over),
            "startedAt": rfc3339(drain.started_at),
            "endsAt": rfc3339(drain.started_at + drain.over) if not drain.held_at else None,
            "heldSince": rfc3339(drain.held_at) if drain.held_at else None,
            "nextStepAt": rfc3339(upcoming) if upcoming is not None else None,
            "steps": {"made": steps_made(drain, self._limits, now), "total": steps_of(drain, self._limits)},
            "forced": drain.forced,
        }

    async def _told(self, view: View, zone: str, revision: int) -> JsonObject:
        """What another zone makes of it, and whether it has the newest share, wherever it is connected."""
        told = self._told_here(zone, revision) or await self._elsewhere.ask(zone, ZONE_DRAIN, str(revision))
        if told is not None:
            return told
        newest = newest_subscription(view.get("ZoneInsight", "", zone))
        holder = str(newest.get("globalInstanceId", "")) if newest and not newest.get("disconnectTime") else ""
        note = f"connected to {holder}, which does not answer" if holder else "not connected"
        return {"name": zone, "weights": UNKNOWN, "stored": None, "note": note}

    def _told_here(self, zone: str, revision: int) -> JsonObject | None:
        """The same of a zone that is connected to this replica."""
        connection = self._zones.connections.get(zone)
        if connection is None:
            return None
        weights = EXACT if features.SHARES in connection.caller.features else WHOLE_INSTANCES
        stored = connection.sender.delivered_everything() >= revision
        return {"name": zone, "weights": weights, "stored": stored, "note": _TELLING[weights]}


def _zone(request: web.Request, view: View) -> Resource:
    name = request.match_info["name"]
    zone = view.get("Zone", "", name)
    if zone is None:
        raise NotFound(f'Zone "{name}" not found')
    return zone


def _state(drain: Drain | None) -> str:
    if drain is None:
        return "none"
    if drain.target:
        return "returning"
    return "drained" if drain.done else "draining"


async def _body(request: web.Request, known: tuple[str, ...]) -> JsonObject:
    """The body, empty if there is none."""
    raw = await request.read()
    try:
        body = orjson.loads(raw) if raw.strip() else {}
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise BadRequest("the body is not a JSON object")
    if unknown := sorted(body.keys() - set(known)):
        raise InvalidResource([Violation(name, f"unknown field, known are {', '.join(known)}") for name in unknown])
    return body


def _duration(body: JsonObject, default: int) -> int:
    """Nanoseconds of `over`."""
    text = body.get("over")
    if text is None:
        return default
    if not isinstance(text, str):
        raise InvalidResource([Violation("over", "must be a duration such as 10m")])
    try:
        over = parse_go(text)
    except ValueError as error:
        raise InvalidResource([Violation("over", str(error))]) from None
    if over < 0:
        raise InvalidResource([Violation("over", "must not be negative")])
    return over
