"""State of the world: every response holds all resources of a type (`spec/xds.md` §8.2).

A client that names resources is answered only when it has named all there are: an answer tells it that what is missing
does not exist. Clusters that are on their way out stay in the answer until nothing refers to them any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import xxhash

from ursa.discovery import layers as stacked
from ursa.discovery.blame import blamed
from ursa.discovery.framing import sotw_response
from ursa.discovery.layers import Layers
from ursa.discovery.messages import WILDCARD, Acknowledged, Effect, Rejected, Send, SotwRequest
from ursa.discovery.resource_set import ResourceSet
from ursa.discovery.session import Plan, Session, Watch


class SotwWatch(Watch):
    """Where a client stands with one type."""

    __slots__ = ("base", "checked", "held", "known", "names", "nonce", "outgoing", "rejected", "rewarm", "wildcard")

    def __init__(self) -> None:
        super().__init__()
        self.wildcard = False
        self.names: frozenset[str] = frozenset()
        self.known: frozenset[str] = frozenset()
        """Names that were asked for when the last response was made."""
        self.base: Layers = ()
        self.checked: tuple[Layers, Layers] | None = None
        """For which layers, own and of the warming type, it is known that nothing is due."""
        self.held = self.rejected = self.outgoing = ""
        self.nonce = ""
        self.rewarm = False


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
        version = watch.outgoing
        if request.error is None:
            watch.held, watch.rejected = version, ""
            return Acknowledged(request.type_url, version)
        # Envoy keeps the good part of a refused response, so nobody can say any more what exactly it has.
        watch.held, watch.rejected = "", version
        names = blamed((e.name for e in stacked.entries(watch.base)), request.error)
        return Rejected(request.type_url, version, request.error, names)

    def _subscribe(self, request: SotwRequest, watch: SotwWatch) -> None:
        names = frozenset(request.names) - {WILDCARD}
        never_named = watch.wildcard or not watch.names
        wildcard = WILDCARD in request.names or (
            not names and never_named and request.type_url in self._dialect.wildcard_types
        )
        if names != watch.names or wildcard != watch.wildcard:
            watch.names, watch.wildcard, watch.checked = names, wildcard, None

    def _new_watch(self) -> SotwWatch:
        return SotwWatch()

    def _plan(self, type_url: str, watch: SotwWatch, layers: Layers) -> FullState | None:
        inputs = (layers, self._warming(type_url))
        if watch.checked == inputs and not watch.rewarm:
            return None
        full = self._with_outgoing(type_url, watch, layers)
        version = self._version(type_url, full)
        if version == watch.rejected or not _covers(watch, full):
            return None
        has_news = any(name in layer for name in watch.names - watch.known for layer in full)
        return FullState(full, version != watch.held or has_news or watch.rewarm, version)

    def _send(self, type_url: str, watch: SotwWatch, plan: FullState) -> Send | None:
        watch.base, watch.known, watch.offered, watch.rewarm = plan.layers, watch.names, True, False
        own = self._layers(type_url)
        watch.checked = (plan.layers, self._warming(type_url)) if plan.layers == own else None
        if not plan.send:
            return None
        for warmed in self._dialect.warms(type_url):
            self._watches[warmed].rewarm = self._watches[warmed].offered
        watch.outgoing = plan.version
        watch.nonce = self._next_nonce()
        data = sotw_response(
            type_url, plan.version, stacked.payload(plan.layers), nonce=watch.nonce, identifier=self._identifier
        )
        return Send(type_url, data, watch.nonce)

    def _with_outgoing(self, type_url: str, watch: SotwWatch, layers: Layers) -> Layers:
        """The layers, and as a last one what the client still uses and nothing may refer to any more."""
        users: Mapping[str, tuple[str, ...]] = self._dialect.used_by
        if not watch.offered or type_url not in users or type_url not in self._dialect.wildcard_types:
            return layers
        gone = [stacked.lookup(watch.base, name) for name in stacked.difference(watch.base, layers).removed]
        if not gone or self._users_are_settled(type_url):
            return layers
        return (*layers, ResourceSet.of(e for e in gone if e is not None))

    def _warming(self, type_url: str) -> Layers:
        """What the client has, or is about to get, of the type that makes it await this one."""
        warmer = self._dialect.warmed_by.get(type_url)
        if warmer is None:
            return ()
        watch = self._watches[warmer]
        return watch.base if watch.offered else self._snapshot.layers.get(warmer, ())

    def _version(self, type_url: str, layers: Layers) -> str:
        own = stacked.version(layers)
        warming = self._warming(type_url)
        return xxhash.xxh3_128_hexdigest((own + stacked.version(warming)).encode()) if warming else own

    def _is_settled(self, type_url: str) -> bool:
        watch = self._watches[type_url]
        layers = self._layers(type_url)
        if not watch.subscribed or layers is None:
            return True
        return not watch.in_flight and watch.held == self._version(type_url, layers)


def _covers(watch: SotwWatch, layers: Layers) -> bool:
    """Whether the client has asked for all there is."""
    if watch.wildcard:
        return True
    return bool(watch.names) and all(name in watch.names for layer in layers for name in layer.names())
