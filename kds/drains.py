"""Zones that are being emptied: what part of its weight each gets from the others, and on which way that is.

Written down by the global, so that it outlives every process; every replica offers accordingly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import orjson

from ursa.errors import Conflict, NotFound
from ursa.model.json import JsonObject
from ursa.model.resource import Resource
from ursa.model.zone_proxy import WHOLE
from ursa.store.contract import Store
from ursa.view.view import View

CONFIG = "ursa-draining-zones"
"""The Config that holds them; it never leaves the global."""


@dataclass(frozen=True, slots=True)
class Drain:
    """The way of one zone from one share to another.

    Attributes:
        share: percent of their weight that other zones give its ingresses now.
        origin: the share at the beginning.
        target: the share at the end.
        started_at: when it began, nanoseconds.
        over: how long it takes, nanoseconds.
        forced: whether it was asked for although others cannot take everything.
        held_at: since when it stands still because others can no longer take everything, nanoseconds; 0 if it does not.
    """

    share: int
    origin: int
    target: int
    started_at: int
    over: int
    forced: bool = False
    held_at: int = 0

    @property
    def done(self) -> bool:
        """Whether the end is reached."""
        return self.share == self.target


def read_drains(view: View) -> Mapping[str, Drain]:
    """The drains of a global by zone; what cannot be read is none."""
    config = view.get("Config", "", CONFIG)
    try:
        found = orjson.loads(str(config.spec.get("config", ""))) if config is not None else {}
        return {zone: Drain(**fields) for zone, fields in found.items()}
    except (orjson.JSONDecodeError, TypeError, AttributeError):
        return {}


def drains_config(drains: Mapping[str, Drain]) -> Resource:
    """The Config of drains."""
    text = orjson.dumps({zone: asdict(drain) for zone, drain in drains.items()}, option=orjson.OPT_SORT_KEYS)
    return Resource("Config", "", CONFIG, {"config": text.decode()})


async def write_drains(store: Store, view: View, drains: Mapping[str, Drain]) -> int:
    """Replaces the drains that the view shows; returns the revision. Raises Conflict: somebody else was faster."""
    try:
        revision, _ = await store.write([view.replacing(drains_config(drains))])
    except NotFound as error:
        raise Conflict(str(error)) from None
    return revision


def shares_of(view: View) -> Mapping[str, int]:
    """The zones that get less than their whole weight, and how much."""
    return {zone: drain.share for zone, drain in read_drains(view).items() if drain.share < WHOLE}


def in_whole_instances(spec: JsonObject, share: int) -> JsonObject:
    """An ingress for zones that know no shares: with so many fewer instances behind it, the last one until the end."""
    services: list[JsonObject] = list(spec.get("availableServices", ())) if share else []
    fewer = [{**one, "instances": -(-int(one.get("instances", 0)) * share // WHOLE)} for one in services]
    return {**spec, "availableServices": fewer}
