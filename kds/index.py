"""Offers by wire name while they are being changed, and who holds a name that two resources want.

Kuma's name hash has no separators, so two resources can get the same synced name (`spec/kds.md` §5.2). The first one
keeps it; the other waits and takes over when the name becomes free, instead of both overwriting each other for ever.
"""

from __future__ import annotations

from immutables import Map

from kds.offer import NOTHING, Offer
from ursa.model.resource import ResourceKey


class OfferIndex:
    """The offers of all types; `put` and `drop` report the wire names they touch in `touched`."""

    def __init__(self) -> None:
        self.kinds: Map[str, Map[str, Offer]] = Map()
        self.touched: dict[str, set[str]] = {}
        self._names: dict[ResourceKey, str] = {}
        self._waiting: dict[tuple[str, str], dict[ResourceKey, Offer]] = {}

    @property
    def keys(self) -> set[ResourceKey]:
        """Every resource that is offered or waits for its name."""
        return set(self._names)

    @property
    def collisions(self) -> dict[ResourceKey, str]:
        """Resources that are not offered because another one has their name."""
        return {key: name for (_, name), waiting in self._waiting.items() for key in waiting}

    def put(self, offer: Offer) -> None:
        """Adds or replaces the offer of a resource."""
        if self._names.get(offer.key, offer.name) != offer.name:
            self.drop(offer.key)
        self._names[offer.key] = offer.name
        holder = self.kinds.get(offer.key.kind, NOTHING).get(offer.name)
        if holder is not None and holder.key != offer.key:
            self._waiting.setdefault((offer.key.kind, offer.name), {})[offer.key] = offer
        elif holder != offer:
            self._set(offer.key.kind, offer.name, offer)

    def drop(self, key: ResourceKey) -> None:
        """Removes the offer of a resource, if there is one."""
        name = self._names.pop(key, None)
        if name is None:
            return
        waiting = self._waiting.get((key.kind, name), {})
        if waiting.pop(key, None) is None:
            self._set(key.kind, name, waiting.pop(min(waiting)) if waiting else None)
        if not waiting:
            self._waiting.pop((key.kind, name), None)

    def take_touched(self) -> dict[str, set[str]]:
        """Names touched since the last call."""
        touched, self.touched = self.touched, {}
        return touched

    def touch_origin(self, zone: str) -> None:
        """Marks all offers that come from a zone."""
        for kind, offers in self.kinds.items():
            names = {name for name, offer in offers.items() if offer.origin_zone == zone}
            if names:
                self.touched.setdefault(kind, set()).update(names)

    def _set(self, kind: str, name: str, offer: Offer | None) -> None:
        offers = self.kinds.get(kind, NOTHING)
        self.kinds = self.kinds.set(kind, offers.delete(name) if offer is None else offers.set(name, offer))
        self.touched.setdefault(kind, set()).add(name)
