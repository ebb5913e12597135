"""Takes the traffic away from zones that are dead, and only from those.

A zone that is connected to no replica for the length of its lease is looked for: other zones are asked whether they
reach its ingresses. If one does, everything stays as it is, since a control plane that is gone does not mean that the
workloads are. If none does, others use its ingresses last, and after the hold time not at all. A zone that connects has
all of it back at once. Nobody is judged by what was not seen while nobody looked: the time before this replica led does
not count.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from prometheus_client import CollectorRegistry

from global_cp.proxies import ForwardedProxies
from global_cp.zones import newest_subscription
from kds.absence import EJECTED, LAPSED, Absences, absences_config, read_absences
from kds.insight import is_online
from kds.relay import zone_of
from kds.waiting import within
from ursa.errors import Conflict, NotFound, UrsaError
from ursa.model.resource import Resource
from ursa.model.timestamps import parse_timestamp
from ursa.model.zone_proxy import parse_zone_ingress
from ursa.runtime.clock import Clock
from ursa.runtime.config import Settings
from ursa.runtime.telemetry import component
from ursa.store.contract import Store
from ursa.view.live import LiveView
from ursa.view.view import View

log = logging.getLogger(__name__)

SECOND = 1_000_000_000
CAUSES = frozenset({"ZoneInsight", "ZoneIngress", "Zone"})

_VERDICTS = MappingProxyType(
    {
        LAPSED: "zone is gone and nobody reaches its ingresses: others use them last",
        EJECTED: "zone is gone and nobody reaches its ingresses: others do not use them any more",
    }
)


@dataclass(slots=True)
class _Absent:
    """A zone that is not connected.

    Attributes:
        since: when it was seen for the last time, nanoseconds.
        look_at: when it is looked for the next time.
        lost_at: since when no witness reaches it; 0 while one does.
        looked: whether it was looked for at all.
        kept: whether a witness reached it when it was looked for the last time.
    """

    since: int
    look_at: int
    lost_at: int = 0
    looked: bool = False
    kept: bool = False


class ZoneAbsence:
    """Run by the leader."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        live: LiveView,
        proxies: ForwardedProxies,
        clock: Clock,
        *,
        metrics: CollectorRegistry | None = None,
    ) -> None:
        self._rounds = component("zone_watch", clock, metrics)
        self._settings, self._store, self._live = settings.multizone.global_.absence, store, live
        self._proxies, self._clock = proxies, clock
        # Zones that lost the global try again within this time.
        self._patience = round(settings.general.resilient_component_max_backoff * SECOND)
        self._absent: dict[str, _Absent] = {}

    async def run(self) -> None:
        """Follows zones until cancelled."""
        if not self._settings.enabled:
            await asyncio.Event().wait()
        await self._live.ready.wait()
        began = self._clock.now_ns()
        subscription = self._live.subscribe("absent zones")
        try:
            while True:
                with self._rounds.timed():
                    self._look(self._live.current, began)
                    await self._search()
                    await self._write()
                due = min((one.look_at for one in self._absent.values()), default=None)
                wait = None if due is None else (due - self._clock.now_ns()) / SECOND
                await within(subscription.touching(CAUSES), wait, self._clock)
        finally:
            subscription.close()

    def _look(self, view: View, began: int) -> None:
        """Notes who is not there."""
        absent: dict[str, _Absent] = {}
        for zone in {zone_of(ingress) for ingress in view.list("ZoneIngress")}:
            insight = view.get("ZoneInsight", "", zone)
            if insight is None or is_online(insight.spec):
                continue
            left = parse_timestamp(newest_subscription(insight).get("disconnectTime", ""))
            since = max(left, began + self._patience if left < began else 0)
            known = self._absent.get(zone)
            if known is None or known.since != since:
                known = _Absent(since, since + round(self._settings.lease * SECOND))
            absent[zone] = known
        self._absent = absent

    async def _search(self) -> None:
        """Looks for those whose time has come."""
        now = self._clock.now_ns()
        for zone, one in self._absent.items():
            if one.look_at > now:
                continue
            lease, hold = round(self._settings.lease * SECOND), round(self._settings.hold * SECOND)
            one.looked = True
            if await self._is_reached(zone):
                if not one.kept:
                    log.info("zone is gone, but others reach its ingresses and keep them", extra={"zone": zone})
                one.kept, one.lost_at, one.look_at = True, 0, now + lease
            else:
                one.kept, one.lost_at = False, one.lost_at or now
                ends = one.lost_at + hold
                one.look_at = min(now + lease, ends) if ends > now else now + hold

    async def _is_reached(self, zone: str) -> bool:
        """Whether any other zone reaches an ingress of this one."""
        ingresses = [one for one in map(parse_zone_ingress, self._ingresses(zone)) if one.reachable]
        insights = self._live.current.list("ZoneInsight")
        witnesses = [one.name for one in insights if one.name != zone and is_online(one.spec)][
            : self._settings.witnesses
        ]
        questions = [
            self._ask(witness, f"{ingress.advertised_address}:{ingress.advertised_port}")
            for witness in witnesses
            for ingress in ingresses
        ]
        return any(await asyncio.gather(*questions))

    async def _ask(self, witness: str, address: str) -> bool:
        try:
            await self._proxies.reach(witness, address)
        except UrsaError:
            return False
        return True

    async def _write(self) -> None:
        """Writes the verdicts down if they differ from those that stand."""
        view, now, hold = self._live.current, self._clock.now_ns(), round(self._settings.hold * SECOND)
        standing = read_absences(view)
        verdicts = {}
        for zone, one in self._absent.items():
            if one.lost_at:
                verdicts[zone] = EJECTED if now - one.lost_at >= hold or zone in standing.ejected else LAPSED
            elif not one.looked and zone in standing.lapsed | standing.ejected:
                # The verdict of an earlier leader stands until this one has looked.
                verdicts[zone] = EJECTED if zone in standing.ejected else LAPSED
        wanted, config = absences_config(verdicts), view.get("Config", "", absences_config({}).name)
        if (config is None and not verdicts) or (config is not None and config.spec == wanted.spec):
            return
        try:
            revision, _ = await self._store.write([view.replacing(wanted)])
        except (Conflict, NotFound):
            log.debug("verdicts changed meanwhile")
            return
        await self._live.wait_for(revision)
        tell(standing, verdicts)

    def _ingresses(self, zone: str) -> Iterable[Resource]:
        return (ingress for ingress in self._live.current.list("ZoneIngress") if zone_of(ingress) == zone)


def tell(before: Absences, verdicts: Mapping[str, str]) -> None:
    """Logs what is new about zones."""
    for zone in sorted(before.lapsed | before.ejected | verdicts.keys()):
        was = EJECTED if zone in before.ejected else LAPSED if zone in before.lapsed else ""
        verdict = verdicts.get(zone, "")
        if verdict == was:
            continue
        if verdict:
            log.warning(_VERDICTS[verdict], extra={"zone": zone})
        else:
            log.info("zone has its traffic back", extra={"zone": zone})
