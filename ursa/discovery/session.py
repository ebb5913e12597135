"""What both variants of the protocol have in common: one response per type at a time, and the order of the types.

A session never queues: while a response is on its way, it only remembers the newest snapshot. What to send is decided
when it can be sent, so a slow client skips what is outdated.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar

from ursa.discovery.dialect import Dialect
from ursa.discovery.layers import Layers
from ursa.discovery.messages import Effect, Send
from ursa.discovery.snapshot import Snapshot


class Watch(ABC):
    """Where a client stands with one type."""

    __slots__ = ("held_by", "in_flight", "latest", "offered", "subscribed")

    def __init__(self) -> None:
        self.subscribed = False
        self.offered = False
        """The client has what was last offered, or it is on its way."""
        self.latest: Layers = ()
        """What the snapshot had when that was offered."""
        self.in_flight = ""
        """Nonce of the response that is not answered yet."""
        self.held_by = ""
        """Nonce of the response of another type that held a change of this one back."""

    @property
    @abstractmethod
    def has_refused(self) -> bool:
        """Whether the client does without something that it refused."""

    @abstractmethod
    def offer_refused(self) -> None:
        """Makes everything due that the client refused."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A response that is due or, when nothing is to `send`, the finding that the client has these layers already."""

    layers: Layers
    send: bool


W = TypeVar("W", bound=Watch)
P = TypeVar("P", bound=Plan)


class Session(ABC, Generic[W, P]):
    """One stream of one client. `W` is what is kept per type, `P` a response that is planned."""

    def __init__(self, dialect: Dialect, identifier: str) -> None:
        """Starts with an empty snapshot.

        Args:
            dialect: types and their dependencies.
            identifier: of this control plane, part of every response.
        """
        self._dialect, self._identifier = dialect, identifier
        self._snapshot = Snapshot.EMPTY
        self._nonces = 0
        self._watches: dict[str, W] = {type_url: self._new_watch() for type_url in dialect.order}

    def publish(self, snapshot: Snapshot) -> list[Effect]:
        """From now on the client should have this."""
        if snapshot is self._snapshot:
            return []
        self._snapshot = snapshot
        return self._flush()

    def retry(self) -> list[Effect]:
        """Offers once more what the client refused: what stood in the way may be gone by now."""
        for watch in self._watches.values():
            watch.offer_refused()
        return self._flush()

    @property
    def has_refused(self) -> bool:
        """Whether the client does without something that it refused."""
        return any(watch.has_refused for watch in self._watches.values())

    @property
    def settled(self) -> bool:
        """Whether the client has applied everything that was published."""
        return all(self._is_settled(type_url) for type_url in self._dialect.order)

    @abstractmethod
    def _new_watch(self) -> W: ...

    @abstractmethod
    def _plan(self, type_url: str, watch: W, layers: Layers) -> P | None:
        """What is to be done about a type, or None. Changes nothing."""

    @abstractmethod
    def _send(self, type_url: str, watch: W, plan: P) -> Send | None:
        """Notes what the client has from now on, and makes the response if there is one to send."""

    @abstractmethod
    def _is_settled(self, type_url: str) -> bool:
        """Whether the client has applied the newest state of a type, or does not watch it."""

    def _layers(self, type_url: str) -> Layers | None:
        """What the snapshot has of a type; None as long as it is not known."""
        return self._snapshot.layers.get(type_url, () if self._watches[type_url].offered else None)

    def _flush(self) -> list[Effect]:
        """Sends what is due, types that others refer to first."""
        effects: list[Effect] = []
        for type_url in self._dialect.order:
            watch = self._watches[type_url]
            layers = self._layers(type_url) if watch.subscribed and not watch.in_flight else None
            if layers is None:
                continue
            plan = self._plan(type_url, watch, layers)
            if plan is not None and plan.send and self._must_wait(type_url, watch):
                continue
            watch.held_by = ""
            if plan is None:
                continue
            watch.latest = layers
            send = self._send(type_url, watch, plan)
            if send is not None:
                watch.in_flight = send.nonce
                effects.append(send)
        return effects

    def _must_wait(self, type_url: str, watch: W) -> bool:
        """Make before break; but one response holds a change back at most, lest steady changes starve a type.

        What the newest state of a type refers to has to be on its way in any case, so the change can only go with it.
        """
        before = self._dialect.waits_for.get(type_url)
        if before is None or not watch.offered:
            return False
        blocker, is_newest = self._watches[before].in_flight, self._watches[before].latest == self._layers(before)
        if not blocker or (watch.held_by not in ("", blocker) and is_newest):
            return False
        watch.held_by = blocker
        return True

    def _users_are_settled(self, type_url: str) -> bool:
        """Whether nothing refers to resources of a type that are gone."""
        return all(self._is_settled(user) for user in self._dialect.used_by.get(type_url, ()))

    def _next_nonce(self) -> str:
        self._nonces += 1
        return str(self._nonces)
