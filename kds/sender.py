"""The sending side of a delta stream, without input or output (`spec/kds.md` §3.2).

Nothing is queued. A session remembers per type which names may differ from what the peer has, and computes a response
when the peer can take one, from what is offered at that moment: a slow peer gets the newest state, never a backlog.

This is not the session that serves Envoy: KDS ignores nonces, takes a refusal as delivery, answers for types it has
never heard of, shows each peer its own part of what is offered, and splits by bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from kds import features
from kds.metrics import SyncObserver
from kds.offer import Audience, Catalogue, Offer
from kds.refusals import Pace, Refusals
from kds.watermarks import Sent
from kds.wire import HEARTBEAT, Request, join_response
from ursa.model.json import JsonObject
from ursa.runtime.clock import Clock

MARGIN = 64 << 10
"""Bytes of a message left for everything that is not a resource. No setting: the format of messages decides it."""


class Offered(Protocol):
    """Where a session finds what is offered now."""

    @property
    def catalogue(self) -> Catalogue:
        """The newest catalogue."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """What a sender says about itself, and the limits it keeps to.

    Attributes:
        identifier: name of the control plane in responses.
        max_message: bytes of the largest message the peer accepts.
        epoch: id of the store that revisions belong to, empty when it is not known.
        pace: when refused resources are sent again.
        chunk: bytes at which a difference is split: small enough that other types are not held up.
        remembered: responses per type whose revisions are remembered.
        interval: seconds between two responses of a type that tell of changes, at least.
    """

    identifier: str
    max_message: int = 10 << 20
    epoch: Callable[[], str] = str
    pace: Pace = field(default_factory=Pace)
    chunk: int = 1 << 20
    remembered: int = 200
    interval: float = 0.0


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A response that waits for its answer."""

    kind: str
    seconds: float


@dataclass(slots=True)
class _TypeState:
    """What is known about one type on one stream."""

    kind: str
    refusals: Refusals
    peer_has: dict[str, str]
    dirty: set[str]
    revisions: deque[int]
    """Which revisions responses that changed something completed."""
    owed: bool = True
    """A first request is answered even if there is nothing to say, unless the peer knows what that means."""
    told: bool = True
    """False until a peer that wants to hear nothing where nothing differs is known to have the newest."""
    in_flight: frozenset[str] | None = None
    """Names in the response that the peer has not answered yet."""
    left_at: int = 0
    """When the newest response was sent, monotonic nanoseconds."""
    mark: Sent = field(default_factory=Sent)


class Sender:
    """One stream's session; `receive` and `touch` change what is due, `take` returns what can be sent now."""

    def __init__(
        self,
        offered: Offered,
        audience: Callable[[JsonObject], Audience],
        speaker: Speaker,
        *,
        clock: Clock,
        observer: SyncObserver | None = None,
    ) -> None:
        """Args:
        offered: what there is to send.
        audience: makes the audience from the peer's node metadata.
        speaker: who sends.
        clock: time.
        observer: is told what is sent and answered.
        """
        self._observer = observer or SyncObserver()
        self._offered, self._make_audience, self._speaker, self._clock = offered, audience, speaker, clock
        self._largest = speaker.max_message - MARGIN
        self._interval = round(speaker.interval * 1e9)
        self._chunk = min(speaker.chunk, self._largest)
        self._types: dict[str, _TypeState] = {}
        self._marks: dict[str, Sent] = {}
        self._audience: Audience | None = None
        self._resumes = False
        self._quiet = frozenset[str]()
        self._stirred = set[str]()
        """Types of which something may be due."""
        self._nonce = 0
        self._beat_owed = False
        self.beaten = False
        """Whether the peer asks for proofs of life, or has said that it will."""

    @property
    def marks(self) -> Mapping[str, Sent]:
        """Watermarks by type; the mapping stays current."""
        return MappingProxyType(self._marks)

    def delivered(self, kind: str) -> int:
        """The revision up to which the peer has answered everything of a type."""
        state = self._types.get(kind)
        if state is None:
            return 0
        busy = state.in_flight is not None or state.owed or state.dirty
        return state.mark.acknowledged_revision if busy else self._offered.catalogue.revision

    def delivered_everything(self) -> int:
        """The revision up to which the peer has answered everything it asked for: proof that a change arrived."""
        return min((self.delivered(kind) for kind in self._types), default=0)

    def carried_by(self, kind: str, revision: int) -> int | None:
        """The revision completed by the response that brought a change made at `revision`; None if none was needed."""
        state = self._types.get(kind)
        return next((one for one in state.revisions if one >= revision), None) if state is not None else None

    def lag(self) -> int:
        """How many revisions the peer is behind."""
        return self._offered.catalogue.revision - self.delivered_everything() if self._types else 0

    @property
    def settled(self) -> bool:
        """Whether the peer has answered all that it was told, and there is nothing else to tell."""
        states = self._types.values()
        idle = all(state.in_flight is None and not state.owed and not state.dirty for state in states)
        return idle and any(state.mark.answered_at for state in states)

    def unanswered(self) -> Unanswered | None:
        """The response that has waited longest for its answer."""
        waiting = [(s.left_at, s.kind) for s in self._types.values() if s.in_flight is not None]
        if not waiting:
            return None
        since, kind = min(waiting)
        return Unanswered(kind, (self._elapsed() - since) / 1e9)

    @property
    def due(self) -> int | None:
        """When `take` has something although nothing happened, monotonic nanoseconds; None when that will not be."""
        times = [s.refusals.due for s in self._types.values() if s.in_flight is None]
        if self._interval:
            times += [s.left_at + self._interval for s in self._types.values() if s.dirty and s.in_flight is None]
        return min((time for time in times if time is not None), default=None)

    def receive(self, request: Request) -> None:
        """Takes a subscription, an ACK or a NACK. The value of a nonce means nothing, as with Kuma."""
        if request.kind == HEARTBEAT:
            self._beat_owed = self.beaten = True
            return
        if self._audience is None:
            self._resumes = features.RESUME in request.metadata.get(features.KEY, ())
            self._quiet = frozenset(request.metadata.get(features.QUIET, ()))
            self._audience = self._make_audience(request.metadata)
        state = self._types.get(request.kind)
        if state is None:
            dirty = set(request.held) | set(self._offered.catalogue.of(request.kind))
            refusals = Refusals(self._speaker.pace)
            revisions = deque[int](maxlen=self._speaker.remembered)
            quiet = request.kind in self._quiet
            state = _TypeState(
                request.kind, refusals, dict(request.held), dirty, revisions, owed=not quiet, told=not quiet
            )
            self._types[request.kind] = state
            self._marks[request.kind] = state.mark
        elif not request.nonce:
            state.owed = True
        if request.nonce and state.in_flight is not None:
            self._note_answer(state, state.in_flight, request.error)
        state.in_flight = None
        self._stirred.add(request.kind)

    def _note_answer(self, state: _TypeState, names: frozenset[str], error: str | None) -> None:
        self._observer.answered(state.kind, error, (self._elapsed() - state.left_at) / 1e9)
        state.mark.note_answer(error, self._clock.now_ns())
        if error is None:
            state.refusals.accepted(names)
        else:
            state.refusals.rejected(names, error, self._elapsed())
        state.mark.refused = {name: refused.reason for name, refused in state.refusals.refused.items()}

    def touch(self, touched: Mapping[str, Collection[str]]) -> None:
        """Wire names, by type, of offers that came, changed or went."""
        for kind, names in touched.items():
            if (state := self._types.get(kind)) is not None:
                state.dirty.update(names)
                self._stirred.add(kind)

    def take(self) -> Iterator[bytes]:
        """Every response that may leave now, at most one per type; computed as it is asked for."""
        if self._beat_owed:
            self._beat_owed = False
            yield self._join(HEARTBEAT, (), (), self._offered.catalogue.revision)
        now = self._elapsed()
        for state in list(self._types.values()):
            # With dozens of types most requests and changes concern one of them.
            if state.kind not in self._stirred and (state.refusals.due is None or state.refusals.due > now):
                continue
            if self._is_early(state, now):
                continue
            if state.in_flight is None and (message := self._compose(state)) is not None:
                yield message
            elif not state.dirty:
                self._stirred.discard(state.kind)

    def _is_early(self, state: _TypeState, now: int) -> bool:
        """Whether a change has to wait for others, lest the peer be told more often than it is to be."""
        return bool(self._interval) and not state.owed and bool(state.left_at) and now < state.left_at + self._interval

    def _compose(self, state: _TypeState) -> bytes | None:
        chosen, removed = self._differences(state)
        if not (chosen or removed or state.owed):
            chosen = self._once_more(state)
            if not chosen:
                self._note_equal(state)
                return None
        catalogue = self._offered.catalogue
        # What is left for later responses is not contained in this one, so neither is the newest revision.
        revision = state.mark.acknowledged_revision if state.dirty else catalogue.revision
        if (chosen or removed) and not state.dirty:
            state.revisions.append(revision)
        state.owed, state.in_flight = False, frozenset(offer.name for offer in chosen)
        state.left_at = self._elapsed()
        state.mark.note_sent(revision, self._clock.now_ns())
        message = self._join(state.kind, chosen, removed, revision)
        self._observer.sent(state.kind, len(message))
        return message

    def _note_equal(self, state: _TypeState) -> None:
        """What the peer said it holds is all there is."""
        if not state.told:
            state.told = True
            state.mark.acknowledged_revision = self._offered.catalogue.revision
            state.mark.answered_at = self._clock.now_ns()

    def _differences(self, state: _TypeState) -> tuple[list[Offer], list[str]]:
        """What the peer lacks and what it has too much of, as far as one message can tell."""
        catalogue = self._offered.catalogue
        chosen, removed, size = list[Offer](), list[str](), 0
        limit = self._chunk if self._resumes or state.mark.sent else self._largest
        settled = set[str]()
        for name in sorted(state.dirty):
            offer = self._visible(name, state.kind, catalogue)
            if offer is None:
                state.mark.withheld -= {name}
                if state.peer_has.pop(name, None) is not None:
                    removed.append(name)
                    state.refusals.forget(name)
            elif state.peer_has.get(name) != offer.version:
                if len(offer.framed) > self._largest:
                    self._withhold(state, offer)
                elif chosen and size + len(offer.framed) > limit:
                    continue
                else:
                    chosen.append(offer)
                    size += len(offer.framed)
                    state.peer_has[name] = offer.version
                    state.mark.withheld -= {name}
                    state.refusals.forget(name)
            settled.add(name)
        state.dirty -= settled
        return chosen, removed

    def _once_more(self, state: _TypeState) -> list[Offer]:
        """Resources that were refused and are sent alone."""
        catalogue = self._offered.catalogue
        while names := state.refusals.take(self._elapsed()):
            offers = [offer for name in names if (offer := self._visible(name, state.kind, catalogue)) is not None]
            if offers:
                return offers
            for name in names:
                state.refusals.forget(name)
        return []

    def _join(self, kind: str, chosen: Collection[Offer], removed: Collection[str], revision: int) -> bytes:
        self._nonce += 1
        epoch = self._speaker.epoch()
        stamp = f"{epoch}@{revision}" if epoch else ""
        frames = (offer.framed for offer in chosen)
        return join_response(kind, str(self._nonce), frames, removed, identifier=self._speaker.identifier, stamp=stamp)

    def _elapsed(self) -> int:
        """Nanoseconds on the clock that never jumps: what waits must not be late because somebody set the time."""
        return round(self._clock.monotonic() * 1e9)

    def _visible(self, name: str, kind: str, catalogue: Catalogue) -> Offer | None:
        offer = catalogue.of(kind).get(name)
        while offer is not None and not (self._audience is not None and self._audience.admits(offer, catalogue)):
            offer = offer.otherwise
        return offer

    def _withhold(self, state: _TypeState, offer: Offer) -> None:
        """One resource that no message can carry must not cost the peer all others."""
        state.mark.withheld |= {offer.name}
        state.mark.error = f"{offer.name} has {len(offer.framed)} bytes, too many for one message"
