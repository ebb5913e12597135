"""Finds the addresses of zone proxies that are known by names, and follows them when they change.

Load balancers in front of zone ingresses are often known by names alone, and get new addresses without telling. Names
are looked up again for as long as any are in use; one that cannot be looked up keeps the address it had. Who plans
proxies sees resources with addresses only.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from kds.waiting import within
from ursa.model.host_names import host_names, with_addresses, without_address
from ursa.model.resource import Resource, ResourceKey
from ursa.runtime.clock import Clock
from ursa.store.contract import Change
from ursa.view.live import LiveView, MovingView, Step
from ursa.view.view import Touched, View

log = logging.getLogger(__name__)

TIMEOUT = 5.0
"""Seconds that a look-up may take."""

Resolve = Callable[[str], Awaitable[str]]
"""The address of a name; raises OSError."""


async def resolve(name: str) -> str:
    """The first address of a name in the order of texts, as Kuma chooses it: the same one again while it is there."""
    found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return min(str(address[0]) for *_, address in found)


@dataclass(slots=True)
class _Named:
    """A resource with names in it.

    Attributes:
        resource: as it is stored.
        names: in it.
        form: what is shown for it, None while it cannot be.
    """

    resource: Resource
    names: frozenset[str]
    form: Resource | None = None


class ResolvedView(MovingView):
    """The live view with addresses where zone proxies have names; the same view where none has. `run` moves it."""

    def __init__(self, live: LiveView, clock: Clock, *, ttl: float, resolve: Resolve = resolve) -> None:
        """Args: `ttl` is for how many seconds an address is good."""
        super().__init__()
        self._live, self._clock, self._ttl, self._resolve = live, clock, ttl, resolve
        self._named: dict[ResourceKey, _Named] = {}
        self._users: dict[str, set[ResourceKey]] = {}
        """The resources in which each name is."""
        self._addresses: dict[str, str] = {}
        self._look_at: dict[str, float] = {}
        """When each name is looked up next, monotonic seconds."""
        self._failing: set[str] = set()
        """Names that could not be looked up the last time; told once."""
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Follows the live view and the names in it until cancelled."""
        await self._live.ready.wait()
        view = self._live.current
        for resource in view.all():
            self._note(resource.key, resource)
        # Whoever plans proxies before their addresses are known would take endpoints away from them.
        await self._look_up(self._due())
        missed = self._live.current
        with self._live.following(self._follow):
            gone = {key for key in self.current.everything().keys if missed.get(*key) is None}
            for key in gone:
                self._note(key, None)
            for resource in missed.all():
                self._note(resource.key, resource)
            self._show(missed, gone | missed.everything().keys)
            self.ready.set()
            while True:
                wait = None if not self._look_at else min(self._look_at.values()) - self._clock.monotonic()
                await within(self._news.wait(), wait, self._clock)
                self._news.clear()
                await self._look_up(self._due())

    def _follow(self, step: Step) -> None:
        had_names = bool(self._named)
        for key, change in step.touched.changes.items():
            self._note(key, change.after)
        if had_names or self._named:
            self._show(step.after, step.touched.keys)
        else:
            self._move(step.after, step.touched)

    def _note(self, key: ResourceKey, resource: Resource | None) -> None:
        """Remembers the names in a resource."""
        known = self._named.pop(key, None)
        names = host_names(resource) if resource is not None else frozenset()
        if resource is not None and names:
            # What it was is shown until it can be shown as it is.
            before = known.form if known is not None else without_address(resource)
            self._named[key] = _Named(resource, names, with_addresses(resource, self._addresses) or before)
        for name in names:
            if name not in self._users:
                self._look_at[name] = self._clock.monotonic()
                self._news.set()
            self._users.setdefault(name, set()).add(key)
        for name in (known.names if known is not None else frozenset()) - names:
            self._users[name].discard(key)
            if not self._users[name]:
                del self._users[name], self._look_at[name]
                self._addresses.pop(name, None)
                self._failing.discard(name)

    def _due(self) -> list[str]:
        now = self._clock.monotonic()
        return [name for name, at in self._look_at.items() if at <= now]

    async def _look_up(self, names: Iterable[str]) -> None:
        """Looks names up and shows what comes of it."""
        asked = list(names)
        found = await asyncio.gather(*map(self._ask, asked))
        changed = set()
        for name, address in zip(asked, found, strict=True):
            if name not in self._look_at:
                continue
            self._look_at[name] = self._clock.monotonic() + self._ttl
            if address and name in self._failing:
                log.info("name of a zone proxy can be looked up again", extra={"host": name})
                self._failing.discard(name)
            if address and self._addresses.get(name) != address:
                log.info("address of a zone proxy found", extra={"host": name, "address": address})
                self._addresses[name] = address
                changed.add(name)
        affected = {key for name in changed for key in self._users[name]}
        for key in affected:
            named = self._named[key]
            named.form = with_addresses(named.resource, self._addresses) or named.form
        if affected and self.ready.is_set():
            self._show(self._live.current, affected)

    async def _ask(self, name: str) -> str:
        """The address of a name, empty when there is none to be had."""
        try:
            async with asyncio.timeout(TIMEOUT):
                return await self._resolve(name)
        except (OSError, TimeoutError, UnicodeError) as error:
            if name in self._look_at and name not in self._failing:
                log.warning("name of a zone proxy cannot be looked up", extra={"host": name, "error": str(error)})
                self._failing.add(name)
            return ""

    def _show(self, view: View, keys: Iterable[ResourceKey]) -> None:
        """Moves on to a view, in which these resources may differ from what is shown now."""
        shown = view.showing({key: named.form for key, named in self._named.items()})
        changes = {key: Change(key, shown.get(*key), self.current.get(*key)) for key in keys}
        touched = Touched({k: c for k, c in changes.items() if c.after is not None or c.before is not None})
        if touched:
            self._move(shown, touched)
