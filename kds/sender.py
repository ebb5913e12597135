"""The sending side of a delta stream, without input or output (`spec/kds.md` §3.2).

Nothing is queued. A session remembers per type which names may differ from what the peer has, and computes a response
when the peer can take one, from what is offered at that moment: a slow peer gets the newest state, never a backlog.

This is not the session that serves Envoy: KDS ignores nonces, takes a refusal as delivery, answers for types it has
never heard of, shows each peer its own part of what is offered, and splits by bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from kds import features
from kds.offer import Audience, Catalogue, Offer
from kds.watermarks import Sent
from kds.wire import Request, join_response
from ursa.model.json import JsonObject

CHUNK = 1 << 20
"""Bytes at which a difference is split: small enough that other types are not held up."""

MARGIN = 64 << 10
"""Bytes of a message left for everything that is not a resource."""


class Offered(Protocol):
    """Where a session finds what is offered now."""

    @property
    def catalogue(self) -> Catalogue:
        """The newest catalogue."""


@dataclass(slots=True)
class _TypeState:
    """What is known about one type on one stream."""

    kind: str
    peer_has: dict[str, str]
    dirty: set[str]
    owed: bool = True
    """A first request is answered even if there is nothing to say."""
    in_flight: bool = False
    mark: Sent = field(default_factory=Sent)


class Sender:
    """One stream's session; `receive` and `touch` change what is due, `take` returns what can be sent now."""

    def __init__(
        self,
        offered: Offered,
        audience: Callable[[JsonObject], Audience],
        *,
        identifier: str,
        max_message: int,
        now: Callable[[], int],
    ) -> None:
        """Args:
        offered: what there is to send.
        audience: makes the audience from the peer's node metadata.
        identifier: name of this control plane in responses.
        max_message: bytes of the largest message the peer accepts.
        now: wall clock in nanoseconds, for status only.
        """
        self._offered, self._make_audience, self._now = offered, audience, now
        self._identifier = identifier
        self._largest = max_message - MARGIN
        self._types: dict[str, _TypeState] = {}
        self._marks: dict[str, Sent] = {}
        self._audience: Audience | None = None
        self._resumes = False
        self._nonce = 0

    @property
    def marks(self) -> Mapping[str, Sent]:
        """Watermarks by type; the mapping stays current."""
        return MappingProxyType(self._marks)

    def delivered(self, kind: str) -> int:
        """The revision up to which the peer has answered everything of a type."""
        state = self._types.get(kind)
        if state is None:
            return 0
        busy = state.in_flight or state.owed or state.dirty
        return state.mark.acknowledged_revision if busy else self._offered.catalogue.revision

    def delivered_everything(self) -> int:
        """The revision up to which the peer has answered everything it asked for: proof that a change arrived."""
        return min((self.delivered(kind) for kind in self._types), default=0)

    def receive(self, request: Request) -> None:
        """Takes a subscription, an ACK or a NACK. The value of a nonce means nothing, as with Kuma."""
        if self._audience is None:
            self._resumes = features.RESUME in request.metadata.get("features", ())
            self._audience = self._make_audience(request.metadata)
        state = self._types.get(request.kind)
        if state is None:
            state = self._types[request.kind] = _TypeState(
                request.kind, dict(request.held), set(request.held) | set(self._offered.catalogue.of(request.kind))
            )
            self._marks[request.kind] = state.mark
        elif not request.nonce:
            state.owed = True
        if request.nonce and state.in_flight:
            state.mark.note_answer(request.error, self._now())
        state.in_flight = False

    def touch(self, touched: Mapping[str, Collection[str]]) -> None:
        """Wire names, by type, of offers that came, changed or went."""
        for kind, names in touched.items():
            if (state := self._types.get(kind)) is not None:
                state.dirty.update(names)

    def take(self) -> Iterator[bytes]:
        """Every response that may leave now, at most one per type; computed as it is asked for."""
        for state in list(self._types.values()):
            if state.in_flight or not (state.owed or state.dirty):
                continue
            message = self._compose(state)
            if message is not None:
                yield message

    def _compose(self, state: _TypeState) -> bytes | None:
        catalogue = self._offered.catalogue
        chosen, removed, size = list[Offer](), list[str](), 0
        limit = CHUNK if self._resumes or state.mark.sent else self._largest
        settled = set[str]()
        for name in sorted(state.dirty):
            offer = self._visible(name, state.kind, catalogue)
            if offer is None:
                if state.peer_has.pop(name, None) is not None:
                    removed.append(name)
            elif state.peer_has.get(name) != offer.version:
                if len(offer.framed) > self._largest:
                    self._withhold(state, offer)
                elif chosen and size + len(offer.framed) > limit:
                    continue
                else:
                    chosen.append(offer)
                    size += len(offer.framed)
                    state.peer_has[name] = offer.version
            settled.add(name)
        state.dirty -= settled
        if not (chosen or removed or state.owed):
            return None
        self._nonce += 1
        state.owed, state.in_flight = False, True
        state.mark.note_sent(catalogue.revision, self._now())
        return join_response(
            state.kind, str(self._nonce), (offer.framed for offer in chosen), removed, self._identifier
        )

    def _visible(self, name: str, kind: str, catalogue: Catalogue) -> Offer | None:
        offer = catalogue.of(kind).get(name)
        if offer is None or self._audience is None or not self._audience.admits(offer, catalogue):
            return None
        return offer

    def _withhold(self, state: _TypeState, offer: Offer) -> None:
        """One resource that no message can carry must not cost the peer all others."""
        state.mark.withheld |= {offer.name}
        state.mark.error = f"{offer.name} has {len(offer.framed)} bytes, too many for one message"
