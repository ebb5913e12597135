"""Keeps the catalogue in step with the view: every change is mapped and encoded once, however many peers there are.

Sessions are told which wire names a change touched; nobody compares whole states, and without changes nothing runs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeAlias

from kds.absence import read_absences
from kds.envelope import version_of
from kds.index import OfferIndex
from kds.metrics import SyncObserver
from kds.offer import Catalogue, Offer, OfferMaker
from kds.wire import frame
from ursa.errors import ProtocolError
from ursa.model.resource import ResourceKey
from ursa.view.live import LiveView
from ursa.view.view import View

log = logging.getLogger(__name__)

TouchedNames: TypeAlias = Mapping[str, set[str]]
"""Wire names by type."""

Listener: TypeAlias = Callable[[TouchedNames], None]

SLICE = 32
"""Resources encoded at a time while a large change is taken in; in between, streams get their turn. No setting: only
fairness within the process."""


class Publisher:
    """The one writer of the catalogue; `run` must be running for it to follow the view."""

    def __init__(
        self,
        live: LiveView,
        rules: OfferMaker,
        *,
        complete: Callable[[View], bool] = lambda _: True,
        observer: SyncObserver | None = None,
    ) -> None:
        """Args:
        live: what is offered.
        rules: in which form.
        complete: whether a view has all that it must have before any peer is answered.
        observer: is told how long it takes.
        """
        self._observer = observer or SyncObserver()
        self._live, self._rules, self._complete = live, rules, complete
        self._index = OfferIndex()
        self._catalogue = Catalogue()
        self._listeners: list[Listener] = []
        self._followers: list[Callable[[], None]] = []
        self._published: set[str] = set()
        self.unsendable: dict[ResourceKey, str] = {}
        """Why a resource is not offered although it should be."""
        self.ready = asyncio.Event()
        """Set once the whole view is in the catalogue. A peer answered earlier would delete what it has."""

    @property
    def catalogue(self) -> Catalogue:
        """The newest offers."""
        return self._catalogue

    @property
    def held_back(self) -> Mapping[str, str]:
        """Why resources are not offered although they should be, by resource."""
        broken = {str(key): reason for key, reason in self.unsendable.items()}
        collisions = self._index.collisions.items()
        return broken | {str(key): f"another resource has the synced name {name!r}" for key, name in collisions}

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """While this lasts, the listener is called with the names each change touched."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def follow(self, follower: Callable[[], None]) -> None:
        """Calls the follower whenever there is a new catalogue, for ever."""
        self._followers.append(follower)

    def publish(self, kind: str, contents: Mapping[str, bytes]) -> None:
        """Offers documents of a type that is not stored, by wire name; they replace those offered before."""
        self._published.add(kind)
        for key in [key for key in self._index.keys if key.kind == kind and key.name not in contents]:
            self._index.drop(key)
        for name, content in contents.items():
            version = version_of(content)
            self._index.put(Offer(ResourceKey(kind, "", name), name, version, frame(name, version, content)))
        self._show(replace(self._catalogue, kinds=self._index.kinds))

    async def run(self) -> None:
        """Follows the view until cancelled."""
        await self._live.ready.wait()
        subscription = self._live.subscribe("kds publisher")
        try:
            view = self._live.current
            stored = {key for key in self._index.keys if key.kind not in self._published}
            await self._take_in(view, {resource.key for resource in view.all()} | stored)
            while True:
                if self._complete(view):
                    self.ready.set()
                step = await subscription.next()
                view = step.after
                await self._take_in(view, step.touched.keys)
        finally:
            subscription.close()

    async def _take_in(self, view: View, keys: Iterable[ResourceKey]) -> None:
        began = self._observer.now()
        keys = {*keys, *self._rules.observe(view)}
        # Sorted, so that of two resources with the same synced name the same one wins after every start.
        for count, key in enumerate(sorted(keys), 1):
            offer = self._offer(key, view)
            if offer is None:
                self._index.drop(key)
            else:
                self._index.put(offer)
            if count % SLICE == 0:
                await asyncio.sleep(0)
        withheld = frozenset(zone.name for zone in view.list("Zone") if zone.spec.get("enabled") is False)
        ejected = read_absences(view).ejected
        for zone in (withheld ^ self._catalogue.withheld) | (ejected ^ self._catalogue.ejected):
            self._index.touch_origin(zone)
        changed = self._show(Catalogue(view.revision, self._index.kinds, withheld, ejected))
        self._observer.offered(self._observer.now() - began, first=not self.ready.is_set(), changed=changed)

    def _show(self, catalogue: Catalogue) -> bool:
        """Shows peers a catalogue; returns whether there is anything new in it."""
        self._catalogue = catalogue
        if touched := self._index.take_touched():
            for listener in self._listeners:
                listener(touched)
        for follower in self._followers:
            follower()
        return bool(touched)

    def _offer(self, key: ResourceKey, view: View) -> Offer | None:
        self.unsendable.pop(key, None)
        resource = view.get(*key)
        if resource is None:
            return None
        try:
            return self._rules.offer(resource)
        except (ProtocolError, LookupError, TypeError, ValueError, AttributeError) as error:
            # Rules expect specs that passed the API. One that came another way must not stop all others.
            self.unsendable[key] = str(error)
            self._observer.unsendable()
            log.warning("resource cannot be synced", extra={"resource": str(key), "error": str(error)})
            return None
