"""State of the world: every response holds all resources of a type (`spec/xds.md` §8.2).

A client that names resources is answered only when it has named all there are: an answer tells it that what is missing
does not exist. Clusters that are on their way out stay in the answer until nothing refers to them any more.

What a client refused is left out of later answers, or stays as it was before, until its content changes or `retry` is
called. A refusal that names nothing is narrowed down as in delta: fewer new resources at a time, until one is to blame.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from ursa.discovery import layers as stacked
from ursa.discovery.blame import mentioned
from ursa.discovery.framing import sotw_response
from ursa.discovery.layers import Layers
from ursa.discovery.messages import WILDCARD, Acknowledged, Effect, Rejected, Send, SotwRequest
from ursa.discovery.resource_set import ResourceSet
from ursa.discovery.session import Plan, Session, Watch


class SotwWatch(Watch):
    """Where a client stands with one type."""

    __slots__ = (
        *("applied", "base", "checked", "held", "known", "names", "nonce", "outgoing", "promised", "rejected"),
        *("portion", "refused", "rewarm", "unsure", "wildcard"),
    )

    def __init__(self) -> None:
        super().__init__()
        self.wildcard = False
        self.names: frozenset[str] = frozenset()
        self.known: frozenset[str] = frozenset()
        """Names that were asked for when the last response was made."""
        self.base: Layers = ()
        """What was last offered."""
        self.applied: Layers = ()
        """What was last acknowledged."""
        self.checked: Layers | None = None
        """The layers of which it is known that nothing is due."""
        self.held = self.rejected = self.outgoing = ""
        """Versions that the client has, that it refused, and that is on its way."""
        self.nonce = ""
        self.promised: Layers = ()
        """What was there when the client was told to ask for it; it waits for that even if it is gone."""
        self.rewarm = False
        """The client waits for these resources again, although they may not have changed."""
        self.refused: dict[str, str] = {}
        """Refused versions by name."""
        self.unsure: set[str] = set()
        """Names that were in a refused response, and may be to blame for it."""
        self.portion: int | None = None
        """How many of those to offer at a time, while it is not known which of them the client refuses."""

    @property
    def has_refused(self) -> bool:
        return bool(self.refused or self.rejected)

    def offer_refused(self) -> None:
        self.unsure.update(self.refused)
        self.refused, self.rejected, self.checked = {}, "", None

    def note_refusal(self, reason: str) -> tuple[str, ...]:
        """Notes what may be to blame, and returns it."""
        new = tuple(e.name for e in stacked.difference(self.applied, self.base).changed)
        items = new or tuple(e.name for e in stacked.entries(self.base))
        culprits = mentioned(items, reason)
        self.held, self.checked = "", None
        for name in items:
            self.refused.pop(name, None)
        if not items:
            self.rejected = self.outgoing
        elif not culprits and len(items) > 1:
            self.portion = len(items) // 2
        else:
            for name in culprits or items:
                if (found := stacked.lookup(self.base, name)) is not None:
                    self.refused[name] = found.version
        self.unsure = self.unsure.union(items).difference(self.refused)
        return culprits or items

    def note_acceptance(self) -> None:
        """Notes that the client has what was last offered."""
        if self.refused:
            for entry in stacked.difference(self.applied, self.base).changed:
                self.refused.pop(entry.name, None)
        self.applied = self.base
        if self.unsure:
            self.unsure = {name for name in self.unsure if stacked.lookup(self.base, name) is None}
        self.portion = self.portion * 2 if self.portion and self.unsure else None

    def acceptable(self, layers: Layers) -> Layers:
        """The layers, but what the client refused, or what is not to be tried yet, as it was before."""
        if not (self.refused or self.unsure):
            return layers
        versions = ((name, stacked.lookup(layers, name)) for name in self.refused)
        out = {name for name, e in versions if e is not None and e.version == self.refused[name]}
        if self.portion is not None:
            present = (name for name in sorted(self.unsure) if stacked.lookup(layers, name) is not None)
            out.update(islice(present, self.portion, None))
        if not out:
            return layers
        as_before = (e if e.name not in out else stacked.lookup(self.applied, e.name) for e in stacked.entries(layers))
        return (ResourceSet.of(e for e in as_before if e is not None),)


@dataclass(frozen=True, slots=True)
class FullState(Plan):
    """All resources of a type, under the version that says so."""

    version: str


class SotwSession(Session[SotwWatch, FullState]):
    """Brings one client to the newest snapshot by full responses."""

    def receive(self, request: SotwRequest) -> list[Effect]:
        """Takes a subscription, an acknowledgement or a refusal."""
        watch = self._watches.get(request.type_url)
        if watch is None:
            return []
        effects: list[Effect] = []
        if not watch.subscribed:
            # A nonce here is one of an earlier stream; the version tells what the client kept from it.
            watch.subscribed, watch.held = True, request.version
            self._subscribe(request, watch)
            watch.known = watch.names
        elif request.nonce != watch.nonce:
            return []  # answers a response that has been replaced; the client's word on the newest one follows
        else:
            if watch.in_flight:
                effects.append(self._answered(request, watch))
            self._subscribe(request, watch)
            watch.known &= watch.names
        return effects + self._flush()

    def _answered(self, request: SotwRequest, watch: SotwWatch) -> Effect:
        watch.in_flight = ""
        for warmed in self._dialect.warms(request.type_url):
            self._watches[warmed].promised = ()
        version = watch.outgoing
        if request.error is None:
            watch.held, watch.rejected = version, ""
            watch.note_acceptance()
            return Acknowledged(request.type_url, version)
        # Envoy keeps the good part of a refused response, so nobody can say any more what exactly it has.
        return Rejected(request.type_url, version, request.error, watch.note_refusal(request.error))

    def _subscribe(self, request: SotwRequest, watch: SotwWatch) -> None:
        names = frozenset(request.names) - {WILDCARD}
        never_named = watch.wildcard or not watch.names
        wildcard = WILDCARD in request.names or (
            not names and never_named and request.type_url in self._dialect.wildcard_types
        )
        if names != watch.names or wildcard != watch.wildcard:
            watch.names, watch.wildcard, watch.checked = names, wildcard, None
            if not wildcard:  # what it no longer asks for it may ask for again
                watch.refused = {name: version for name, version in watch.refused.items() if name in names}

    def _new_watch(self) -> SotwWatch:
        return SotwWatch()

    def _plan(self, type_url: str, watch: SotwWatch, layers: Layers) -> FullState | None:
        if watch.checked == layers and not watch.rewarm:
            return None
        full = self._with_outgoing(type_url, watch, self._known_to_warmer(type_url, layers))
        if not _covers(watch, full):
            return None
        # A client that waits for resources takes even what it has refused: that ends its wait as well.
        acceptable = full if watch.rewarm else watch.acceptable(full)
        version = stacked.version(acceptable)
        is_all_refused = acceptable is not full and not any((*acceptable, *watch.applied))
        if is_all_refused or (version == watch.rejected and not watch.rewarm):
            return None
        full = acceptable
        has_news = any(name in layer for name in watch.names - watch.known for layer in full)
        return FullState(full, version != watch.held or has_news or watch.rewarm, version)

    def _send(self, type_url: str, watch: SotwWatch, plan: FullState) -> Send | None:
        watch.base = plan.layers
        watch.known, watch.offered, watch.rewarm = watch.names, True, False
        watch.checked = plan.layers if plan.layers == self._layers(type_url) else None
        if not plan.send:
            watch.note_acceptance()
            return None
        if any(True for _ in stacked.difference(watch.applied, plan.layers).changed):
            for warmed in self._dialect.warms(type_url):
                self._watches[warmed].rewarm = True
                self._watches[warmed].promised = self._snapshot.layers.get(warmed, ())
        watch.outgoing, watch.nonce = plan.version, self._next_nonce()
        payload = stacked.payload(plan.layers)
        data = sotw_response(type_url, plan.version, payload, nonce=watch.nonce, identifier=self._identifier)
        return Send(type_url, data, watch.nonce)

    def _known_to_warmer(self, type_url: str, layers: Layers) -> Layers:
        """Without what belongs to resources that the client was not told of: it could not have asked for it yet.

        Otherwise a client that waits for endpoints before it acknowledges clusters, and a server that waits for the
        acknowledgement before it sends newer clusters, would wait for each other.
        """
        warmer = self._dialect.warmed_by.get(type_url)
        if warmer is None or not self._watches[warmer].offered:
            return layers
        told = self._watches[warmer].base
        if told == self._layers(warmer) or all(stacked.lookup(told, n) for layer in layers for n in layer.names()):
            return layers
        return (ResourceSet.of(e for e in stacked.entries(layers) if stacked.lookup(told, e.name)),)

    def _with_outgoing(self, type_url: str, watch: SotwWatch, layers: Layers) -> Layers:
        """The layers, and as a last one what the client still uses and nothing may refer to any more."""
        if type_url not in self._dialect.used_by:
            return layers
        gone = {
            name: stacked.lookup(before, name)
            for before in (watch.promised, watch.applied)
            for name in stacked.difference(before, layers).removed
            if watch.wildcard or name in watch.names
        }
        if not gone or self._users_are_settled(type_url):
            return layers
        return (*layers, ResourceSet.of(e for e in gone.values() if e is not None))

    def _is_settled(self, type_url: str) -> bool:
        watch = self._watches[type_url]
        layers = self._layers(type_url)
        if not watch.subscribed or layers is None:
            return True
        return not watch.in_flight and watch.held == stacked.version(layers)


def _covers(watch: SotwWatch, layers: Layers) -> bool:
    """Whether the client has asked for all there is."""
    if watch.wildcard:
        return True
    return bool(watch.names) and all(name in watch.names for layer in layers for name in layer.names())
