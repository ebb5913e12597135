"""Delta: a response holds what changed for this client, and nothing it has already (`spec/xds.md` §8.3).

The session remembers the layers it last offered instead of a version per resource. What deviates from them is kept by
name: resources to send again, removals that have to wait, refused versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ursa.discovery import layers as stacked
from ursa.discovery.blame import blamed
from ursa.discovery.dialect import Dialect
from ursa.discovery.entry import Entry
from ursa.discovery.framing import delta_response
from ursa.discovery.layers import Difference, Layers
from ursa.discovery.messages import WILDCARD, Acknowledged, DeltaRequest, Effect, Rejected, Send
from ursa.discovery.session import Plan, Session, Watch


class DeltaWatch(Watch):
    """Where a client stands with one type."""

    __slots__ = ("again", "asked", "base", "deferred", "held", "names", "outgoing", "rejected", "wildcard")

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
        """Names to offer again although their content is the same, should the client subscribe to them."""
        self.deferred: Mapping[str, str] = {}
        """Removed names that something the client has may still refer to, with the version it has of them."""
        self.rejected: dict[str, str] = {}
        self.outgoing: Changes | None = None

    def wants(self, name: str) -> bool:
        """Whether the client subscribed to this name."""
        return self.wildcard or name in self.names

    def would_take(self, entry: Entry) -> bool:
        """Whether the client subscribed to this resource and did neither refuse nor keep exactly this content."""
        name = entry.name
        return self.wants(name) and entry.version not in (self.rejected.get(name), self.deferred.get(name))


@dataclass(frozen=True, slots=True)
class Changes(Plan):
    """What a client lacks; `deferred` are removals that have to wait."""

    changed: Difference
    removed: tuple[str, ...]
    deferred: Mapping[str, str]


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
            return Acknowledged(request.type_url, version)
        sent = {e.name: e.version for e in plan.changed.changed}
        # Envoy may not have applied the good rest of the response either, so that is offered once more.
        names = blamed(sent, request.error)
        watch.rejected.update((name, sent[name]) for name in names)
        watch.again.update(sent.keys() - set(names))
        return Rejected(request.type_url, version, request.error, names)

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
        if watch.offered and watch.base == layers and not (watch.asked or watch.again or watch.deferred):
            return None
        difference = _unless_held(watch.held, layers) if watch.held else stacked.difference(watch.base, layers)
        if not watch.wildcard or watch.rejected or watch.deferred:
            difference = difference.only(watch.would_take, watch.wants)
        changed = difference.plus(_repeated(watch, layers, difference))
        missing = [n for n in watch.asked if watch.wants(n) and stacked.lookup(layers, n) is None]
        gone = self._gone(watch, layers, difference)
        for name in missing:
            gone.pop(name, None)
        if not gone or self._users_are_settled(type_url):
            removed, deferred = (*missing, *gone), dict[str, str]()
        else:
            removed, deferred = tuple(missing), gone
        # A client that asks for everything wants to be told, too, that there is nothing.
        is_first = not watch.offered and watch.wildcard and not watch.held
        send = is_first or bool(removed) or any(True for _ in changed.changed)
        return Changes(layers, send, changed, removed, deferred)

    def _gone(self, watch: DeltaWatch, layers: Layers, difference: Difference) -> dict[str, str]:
        """Names that the client has and should not have any more, with the version it has."""
        gone = {n: v for n, v in watch.deferred.items() if watch.wants(n) and stacked.lookup(layers, n) is None}
        for name in difference.removed:
            before = stacked.lookup(watch.base, name)
            gone[name] = before.version if before is not None else watch.held.get(name, "")
        return gone

    def _send(self, type_url: str, watch: DeltaWatch, plan: Changes) -> Send | None:
        sent = [e.name for e in plan.changed.changed]
        watch.base, watch.deferred, watch.offered, watch.held = plan.layers, plan.deferred, True, {}
        watch.asked.clear()
        if watch.again:
            # A name that is not subscribed to yet may be soon: Envoy asks for endpoints when it has the cluster.
            watch.again = {n for n in watch.again if not watch.wants(n) and stacked.lookup(plan.layers, n)}
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


def _repeated(watch: DeltaWatch, layers: Layers, difference: Difference) -> list[Entry]:
    """What the client asks for, or waits for, although it did not change."""
    if not (watch.asked or watch.again):
        return []
    due = {e.name for e in difference.changed}
    found = {name: stacked.lookup(layers, name) for name in sorted(watch.asked | watch.again) if name not in due}
    for name in watch.again:
        # Gone in the meantime, but the client cannot go on before it has got what it waits for.
        found[name] = found.get(name) or stacked.lookup(watch.base, name)
    return [e for e in found.values() if e is not None and e.name not in due and watch.would_take(e)]


def _unless_held(held: Mapping[str, str], layers: Layers) -> Difference:
    """What a client lacks that kept resources from an earlier stream."""
    changed = (e for e in stacked.entries(layers) if held.get(e.name) != e.version)
    return Difference.of(changed, (name for name in held if stacked.lookup(layers, name) is None))
