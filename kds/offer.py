"""What a control plane offers its peers, resource by resource, in the form in which it is sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from immutables import Map

from kds.envelope import encode_envelope, version_of, wire_name
from kds.wire import frame
from ursa.model.kind import Kind
from ursa.model.resource import Resource, ResourceKey
from ursa.view.view import View


@dataclass(frozen=True, slots=True)
class Offer:
    """One resource, encoded once for all peers.

    Attributes:
        key: of the resource in the store of this control plane.
        name: on the wire.
        version: hash of the content.
        framed: the bytes that go into a response.
        origin_zone: the zone it came from, to which it is not sent back; empty for what arose here.
        only_zone: the one zone that may have it; empty for all.
        features: what a peer must understand to get it.
        otherwise: what those get that do not; under the same name.
    """

    key: ResourceKey
    name: str
    version: str
    framed: bytes
    origin_zone: str = ""
    only_zone: str = ""
    features: frozenset[str] = frozenset()
    otherwise: Offer | None = None


def make_offer(
    source: ResourceKey,
    mapped: Resource,
    kind: Kind,
    *,
    origin_zone: str = "",
    only_zone: str = "",
    features: frozenset[str] = frozenset(),
    otherwise: Offer | None = None,
) -> Offer:
    """Encodes a resource that has been mapped for its peers.

    Raises:
        ProtocolError: it cannot be encoded.
    """
    envelope = encode_envelope(mapped, kind)
    name, version = wire_name(mapped.mesh, mapped.name), version_of(envelope)
    framed = frame(name, version, envelope)
    return Offer(source, name, version, framed, origin_zone, only_zone, features, otherwise)


class OfferMaker(Protocol):
    """Decides what is offered and in which form: the rules of one direction."""

    def observe(self, view: View) -> Iterable[ResourceKey]:
        """Takes note of what offers depend on beside their own resource; returns what must be offered anew."""

    def offer(self, resource: Resource) -> Offer | None:
        """The offer made of a resource, or None when it stays at home; raises ProtocolError."""


NOTHING: Map[str, Offer] = Map()


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All offers at one revision; immutable, shares structure with its neighbours in time.

    Attributes:
        revision: of the view it was made from.
        kinds: offers by kind and wire name.
        withheld: zones whose resources other zones do not get, because an operator disabled them.
        ejected: zones whose ingresses other zones do not get, because they are dead.
    """

    revision: int = 0
    kinds: Map[str, Map[str, Offer]] = field(default_factory=Map)
    withheld: frozenset[str] = frozenset()
    ejected: frozenset[str] = frozenset()

    def of(self, kind: str) -> Map[str, Offer]:
        """Offers of one kind, none for kinds it does not know."""
        return self.kinds.get(kind, NOTHING)


class Audience(Protocol):
    """Whom a sender serves: decides what of the catalogue that peer may see."""

    def admits(self, offer: Offer, catalogue: Catalogue) -> bool:
        """Whether the peer gets this offer."""


class Everyone:
    """The audience of a zone: the global gets all that is offered."""

    def admits(self, offer: Offer, catalogue: Catalogue) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class OneZone:
    """A zone as the audience of the global."""

    zone: str
    features: frozenset[str]

    def admits(self, offer: Offer, catalogue: Catalogue) -> bool:
        return (
            offer.origin_zone != self.zone
            and offer.origin_zone not in catalogue.withheld
            and not (offer.key.kind == "ZoneIngress" and offer.origin_zone in catalogue.ejected)
            and offer.only_zone in ("", self.zone)
            and offer.features <= self.features
        )
