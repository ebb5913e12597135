"""Delta: a response holds what changed for this client, and nothing it has already (`spec/xds.md` §8.3).

The session remembers the layers it last offered instead of a version per resource. What deviates from them is kept by
name: resources to send again, removals that have to wait, refused versions.

After a refusal nobody can say which part of the response the client has applied. What is to blame for it is left out
until its content changes or `retry` is called; the rest is offered once more. A refusal that names nothing is narrowed
down: half as much is offered at a time until one resource is left to blame.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from ursa.discovery import layers as stacked
from ursa.discovery.blame import mentioned
from ursa.discovery.dialect import Dialect
from ursa.discovery.entry import Entry
from ursa.discovery.framing import delta_response
from ursa.discovery.layers import Difference, Layers
from ursa.discovery.messages import WILDCARD, Acknowledged, DeltaRequest, Effect, Rejected, Send
from ursa.discovery.session import Plan, Session, Watch


class Leaving(NamedTuple):
    """Something that a client may still have and should not: the version it has, empty if unknown, and the content."""

    version: str
    last: Entry | None


NOBODY_KNOWS = Leaving("", None)


class DeltaWatch(Watch):
    """Where a client stands with one type."""

    __slots__ = ("again", "asked", "base", "deferred", "held", "names", "outgoing", "portion", "rejected", "unsure", "wildcard")

    def __init__(self) -> None:
        super().__init__()
        self.wildcard = False
        self.names: set[str] = set()
        self.base: Layers = ()
        self.held: Mapping[str, str] = {}
        """What the client has from an earlier stream, until the first offer."""
        self.asked: set[str] = set()
        """Names just subscribed to: they get an answer, even if it is that there is no such resource."""
        self.again: set[str] = set()
        """Names that the client awaits although their content is the same, should it subscribe to them."""
        self.unsure: set[str] = set()
        """Names to offer again since they were in a refused response: the client has the old or the new content."""
        self.deferred: Mapping[str, Leaving] = {}
        """Removals that wait for what may refer to these names, or were refused for another reason."""
        self.portion: int | None = None
        """How many of those to offer at a time, while it is not known which of them the client refuses."""
        self.rejected: dict[str, str] = {}
        """Refused versions by name; empty for a removal."""
        self.outgoing: Changes | None = None

    def wants(self, name: str) -> bool:
        """Whether the client subscribed to this name."""
        return self.wildcard or name in self.names

    def would_take(self, entry: Entry) -> bool:
        """Whether a change to this is of use: the client wants it, and did neither refuse nor keep this content."""
        name, leaving = entry.name, self.deferred.get(entry.name, NOBODY_KNOWS)
        return self.wants(name) and entry.version not in (self.rejected.get(name), leaving.version)

    def last(self, name: str) -> Entry | None:
        """What was last offered under a name that is to be removed."""
        return stacked.lookup(self.base, name) or self.deferred.get(name, NOBODY_KNOWS).last

    def note_refusal(self, items: Mapping[str, str], culprits: tuple[str, ...]) -> None:
        """Notes that the client has either the old or the new state of these items."""
        changed = [name for name, version in items.items() if version]
        if not culprits and len(changed) > 1:
            self.portion = len(changed) // 2
        elif not culprits:
            culprits = tuple(changed or items)
        self.rejected.update((name, items[name]) for name in culprits)
        self._offer({name: version for name, version in items.items() if name not in culprits})

    def offer_refused(self) -> None:
        self._offer(self.rejected)
        self.rejected = {}

    @property
    def has_refused(self) -> bool:
        return bool(self.rejected)

    def _offer(self, items: Mapping[str, str]) -> None:
        """Sends these once more; nobody knows what the client has of those that are gone."""
        self.unsure.update(name for name, version in items.items() if version)
        gone = [name for name, version in items.items() if not version]
        self.deferred = {**self.deferred, **dict.fromkeys(gone, NOBODY_KNOWS)}


@dataclass(frozen=True, slots=True)
class Changes(Plan):
    """What a client lacks; `due` is what it gets although that did not change, `deferred` are removals that wait."""

    changed: Difference
    removed: Collection[str]
    due: Collection[str]
    deferred: Mapping[str, Leaving]

    @property
    def items(self) -> dict[str, str]:
        """Versions of what changed, by name; empty ones for removals."""
        return {e.name: e.version for e in self.changed.changed} | dict.fromkeys(self.removed, "")


class DeltaSession(Session[DeltaWatch, Changes]):
    """Brings one client to the newest snapshot by differences."""

    def __init__(self, dialect: Dialect, identifier: str) -> None:
        super().__init__(dialect, identifier)
        self._is_resumed = False

    def receive(self, request: DeltaRequest) -> list[Effect]:
        """Takes a subscription, an acknowledgement or a refusal; a request may be all of it."""
        watch = self._watches.get(request.type_url)
        if watch is None:
            return []
        effects: list[Effect] = []
        if watch.in_flight and request.nonce == watch.in_flight:
            effects.append(self._answered(request, watch))
        if not watch.subscribed:
            watch.subscribed, watch.held = True, request.held
            self._is_resumed = self._is_resumed or bool(request.held)
            watch.wildcard = not request.subscribe and request.type_url in self._dialect.wildcard_types
        self._unsubscribe(request, watch)
        self._subscribe(request, watch)
        return effects + self._flush()

    def _answered(self, request: DeltaRequest, watch: DeltaWatch) -> Effect:
        plan, watch.in_flight, watch.outgoing = watch.outgoing, "", None
        assert plan is not None  # set together with the nonce
        version = stacked.version(plan.layers)
        if request.error is None:
            watch.portion = watch.portion * 2 if watch.portion and watch.unsure else None
            return Acknowledged(request.type_url, version)
        items = plan.items
        culprits = mentioned(items, request.error)
        watch.note_refusal(items, culprits)
        return Rejected(request.type_url, version, request.error, culprits or tuple(items))

    def _unsubscribe(self, request: DeltaRequest, watch: DeltaWatch) -> None:
        for name in request.unsubscribe:
            if name == WILDCARD:
                watch.wildcard = False
                continue
            watch.names.discard(name)
            watch.rejected.pop(name, None)
            if watch.wildcard:
                watch.asked.add(name)  # the wildcard still covers it, and the client has just dropped it
            else:
                watch.asked.discard(name)
                watch.again.discard(name)
                watch.unsure.discard(name)

    def _subscribe(self, request: DeltaRequest, watch: DeltaWatch) -> None:
        for name in request.subscribe:
            if name != WILDCARD:
                watch.names.add(name)
                if watch.offered or name not in watch.held:
                    watch.asked.add(name)
            elif not watch.wildcard:
                watch.wildcard, watch.base = True, ()

    def _new_watch(self) -> DeltaWatch:
        return DeltaWatch()

    def _plan(self, type_url: str, watch: DeltaWatch, layers: Layers) -> Changes | None:
        if watch.offered and watch.base == layers and not (
            watch.asked or watch.again or watch.unsure or watch.deferred
        ):
            return None
        difference = _unless_held(watch.held, layers) if watch.held else stacked.difference(watch.base, layers)
        if not watch.wildcard or watch.rejected or watch.deferred:
            difference = difference.only(watch.would_take, watch.wants)
        due, gone = self._due(watch, layers), self._gone(watch, layers, difference)
        removed = {name: None for name, entry in due.items() if entry is None}
        if gone and self._users_are_settled(type_url):
            removed.update(dict.fromkeys(gone))
        deferred = {name: leaving for name, leaving in gone.items() if name not in removed}
        if due:
            deferred.update((name, Leaving(e.version, e)) for name, e in due.items() if e and name in deferred)
            new = {e.name for e in difference.changed}.union(removed)
            difference = difference.plus(e for e in due.values() if e is not None and e.name not in new)
        # A client that asks for everything wants to be told, too, that there is nothing.
        is_first = not watch.offered and watch.wildcard and not watch.held
        send = is_first or bool(removed) or any(True for _ in difference.changed)
        return Changes(layers, send, difference, removed.keys(), due.keys(), deferred)

    def _due(self, watch: DeltaWatch, layers: Layers) -> dict[str, Entry | None]:
        """What the client asks for or waits for, whether it changed or not; None where there is nothing to give.

        That includes what it refused before: another refusal ends its wait as well.
        """
        due = {name: stacked.lookup(layers, name) for name in sorted(watch.asked) if watch.wants(name)}
        for name in sorted(watch.again - due.keys()):
            if watch.wants(name):
                # It may be gone in the meantime, but the client cannot go on before it has got what it waits for.
                due[name] = stacked.lookup(layers, name) or watch.last(name)
        unsure = (stacked.lookup(layers, name) for name in sorted(watch.unsure - due.keys()) if watch.wants(name))
        due.update(islice(((e.name, e) for e in unsure if e is not None), watch.portion))
        return due

    def _gone(self, watch: DeltaWatch, layers: Layers, difference: Difference) -> dict[str, Leaving]:
        """What the client has and should not have any more."""
        gone = {n: one for n, one in watch.deferred.items() if watch.wants(n) and stacked.lookup(layers, n) is None}
        for name in difference.removed:
            last = stacked.lookup(watch.base, name)
            version = last.version if last is not None else watch.held.get(name, "")
            gone[name] = Leaving("" if name in watch.unsure or name in watch.rejected else version, last)
        return gone

    def _send(self, type_url: str, watch: DeltaWatch, plan: Changes) -> Send | None:
        sent = [e.name for e in plan.changed.changed]
        watch.base, watch.deferred, watch.offered, watch.held = plan.layers, plan.deferred, True, {}
        watch.asked.clear()
        if watch.again:
            # A name that is not subscribed to yet may be soon: Envoy asks for endpoints when it has the cluster.
            watch.again = {n for n in watch.again.difference(plan.due, sent) if stacked.lookup(plan.layers, n)}
        if watch.unsure:
            left = watch.unsure.difference(plan.due, sent)
            watch.unsure = {n for n in left if watch.wants(n) and stacked.lookup(plan.layers, n)}
        if watch.rejected:
            for name in (*sent, *plan.removed):
                watch.rejected.pop(name, None)
        if not plan.send:
            return None
        for warmed in self._dialect.warms(type_url):
            self._watches[warmed].again.difference_update(plan.removed)
            self._watches[warmed].again.update(sent)
        watch.outgoing = plan
        nonce = self._next_nonce()
        version, payload = stacked.version(plan.layers), plan.changed.payload()
        data = delta_response(type_url, version, payload, plan.removed, nonce=nonce, identifier=self._identifier)
        return Send(type_url, data, nonce)

    def _is_settled(self, type_url: str) -> bool:
        watch = self._watches[type_url]
        layers = self._layers(type_url)
        if not watch.subscribed or layers is None:
            # A client that comes back with what it had subscribes to everything, one type after the other.
            return not (self._is_resumed and type_url in self._dialect.wildcard_types)
        if watch.in_flight or watch.rejected or watch.deferred:
            return False
        plan = self._plan(type_url, watch, layers)
        return plan is None or not (plan.send or plan.deferred)


def _unless_held(held: Mapping[str, str], layers: Layers) -> Difference:
    """What a client lacks that kept resources from an earlier stream."""
    changed = (e for e in stacked.entries(layers) if held.get(e.name) != e.version)
    return Difference.of(changed, (name for name in held if stacked.lookup(layers, name) is None))
