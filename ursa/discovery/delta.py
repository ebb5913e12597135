"""Delta: a response holds what changed for this client, and nothing it has already (`spec/xds.md` §8.3).

The session remembers the layers it last offered instead of a version per resource; `DeltaWatch` keeps by name what
deviates from them.

After a refusal nobody can say which part of the response the client has applied. What is to blame for it is left out
until its content changes or `retry` is called; the rest is offered once more. A refusal that names nothing is narrowed
down: half as much is offered at a time until one resource is left to blame.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from ursa.discovery import layers as stacked
from ursa.discovery.blame import mentioned
from ursa.discovery.delta_watch import Changes, DeltaWatch, Leaving
from ursa.discovery.dialect import Dialect
from ursa.discovery.entry import Entry
from ursa.discovery.framing import delta_response
from ursa.discovery.layers import Difference, Layers
from ursa.discovery.messages import WILDCARD, Acknowledged, DeltaRequest, Effect, Rejected, Send
from ursa.discovery.resource_set import ResourceSet
from ursa.discovery.session import Session


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
                # Whether it still takes what is on its way when that arrives, nobody knows.
                watch.unsure.update(watch.outgoing.items if watch.outgoing is not None else ())
                kept = watch.names | watch.unsure
                watch.wildcard = True
                watch.base = (ResourceSet.of(e for e in stacked.entries(watch.base) if e.name in kept),)

    def _new_watch(self) -> DeltaWatch:
        return DeltaWatch()

    def _plan(self, type_url: str, watch: DeltaWatch, layers: Layers) -> Changes | None:
        if (
            watch.offered
            and watch.base == layers
            and not (watch.asked or watch.again or watch.unsure or watch.deferred)
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
        if not (watch.asked or watch.again or watch.unsure):
            return {}
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
