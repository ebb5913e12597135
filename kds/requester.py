"""The receiving side of a delta stream, without input or output (`spec/kds.md` §3.1).

Every response becomes a `Delivery`. What in it cannot be read is put aside with its reason; the rest goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kds import features
from kds.envelope import decode_envelope, key_of
from kds.wire import HEARTBEAT, Item, Request, Response, decode_response, encode_request
from ursa.errors import ProtocolError
from ursa.model.json import JsonObject
from ursa.model.kind import Kind
from ursa.model.resource import Resource, ResourceKey
from ursa.model.schema import violations

USER_ERROR = "user error"
"""First line of a refusal that the author of a resource has to deal with; the peer then logs it quietly."""


@dataclass(frozen=True, slots=True)
class Node:
    """Who asks: the zone's name (whoever is the requester) and what is told once per stream."""

    id: str
    metadata: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One response, read.

    Attributes:
        kind: type name.
        nonce: to be answered with.
        complete: whether it is the full state, so that what is missing in it is gone.
        resources: what could be read and obeys the rules.
        removed: what the peer no longer has.
        quarantined: reasons by key of what could not be taken; nothing is done to resources of these keys.
        stamp: `<epoch>@<revision>` of the peer's state that this completes, if it says so.
    """

    kind: str
    nonce: str
    complete: bool
    resources: tuple[Resource, ...] = ()
    removed: tuple[ResourceKey, ...] = ()
    quarantined: Mapping[ResourceKey, str] = field(default_factory=dict)
    stamp: str = ""


class Requester:
    """One stream's session."""

    def __init__(
        self,
        kinds: Sequence[Kind],
        node: Node,
        held: Mapping[str, Mapping[str, str]] | None = None,
        *,
        reports: Mapping[str, Callable[[Response], None]] | None = None,
        quiet: bool = False,
    ) -> None:
        """Args:
        kinds: what is asked for.
        node: who asks.
        held: versions by kind and wire name of *all* that we have from this peer, or None to get the full state.
        reports: who takes what comes of types that are not stored.
        quiet: whether to hear of types in which something differs only.
        """
        self._quiet = quiet and held is not None
        self._reports = reports or {}
        self._kinds = {kind.name: kind for kind in kinds}
        self._node = node
        self._held = held
        self._begun: set[str] = set()
        self.beats = False
        """Whether the peer answers for proofs of life: it has said so, or it stamps its responses."""
        self.stamp = ""
        """The newest stamp of the peer: `<epoch>@<revision>`."""

    def opening(self) -> Iterator[bytes]:
        """The first requests, one per type."""
        metadata = self._node.metadata
        if self._quiet:
            # One answer shows that the peer is there, and how far it is; more are only of use if they say something.
            metadata = {**metadata, features.QUIET: list(self._kinds)[1:]}
        for name in self._kinds:
            held = self._held.get(name, {}) if self._held is not None else {}
            yield encode_request(Request(name, self._node.id, wildcard=True, held=held, metadata=metadata))
            metadata = {}
        for name in self._reports:
            yield encode_request(Request(name, self._node.id, wildcard=True))

    def heartbeat(self) -> bytes:
        """Asks for a proof of life."""
        return encode_request(Request(HEARTBEAT, self._node.id, wildcard=True))

    def receive(self, data: bytes) -> Delivery | None:
        """Reads a response; None for a proof of life, which needs no answer.

        Raises:
            ProtocolError: it is no response at all.
        """
        response = decode_response(data)
        if response.stamp:
            self.beats, self.stamp = True, response.stamp
        if response.kind == HEARTBEAT:
            return None
        if (take := self._reports.get(response.kind)) is not None:
            take(response)
            return Delivery(response.kind, response.nonce, complete=False)
        kind = self._kinds.get(response.kind)
        if kind is None:
            unknown = ResourceKey(response.kind, "", "")
            return Delivery(
                response.kind, response.nonce, complete=False, quarantined={unknown: "type was not asked for"}
            )
        complete = self._held is None and kind.name not in self._begun
        self._begun.add(kind.name)
        resources, quarantined = _read(response.items, kind)
        removed = tuple(key_of(kind.name, name) for name in response.removed)
        return Delivery(
            kind.name, response.nonce, complete, tuple(resources), removed, quarantined, stamp=response.stamp
        )

    def answer(self, delivery: Delivery, problems: Mapping[ResourceKey, str]) -> bytes:
        """The ACK of a delivery, or the NACK that says what in it was refused."""
        error = "\n".join(problems.values()) if problems else None
        return encode_request(
            Request(delivery.kind, self._node.id, nonce=delivery.nonce, wildcard=error is not None, error=error)
        )


def _read(items: Sequence[Item], kind: Kind) -> tuple[list[Resource], dict[ResourceKey, str]]:
    resources: list[Resource] = []
    quarantined: dict[ResourceKey, str] = {}
    for item in items:
        try:
            resource = decode_envelope(item, kind)
        except ProtocolError as error:
            quarantined[key_of(kind.name, item.name)] = f"{item.name}: {error}"
            continue
        if reason := _objection(resource, kind):
            quarantined[resource.key] = reason
        else:
            resources.append(resource)
    return resources, quarantined


def _objection(resource: Resource, kind: Kind) -> str:
    """Why a resource breaks the rules of its kind, empty if it does not."""
    found = [*violations(resource.spec, {"type": "object", **kind.schema}, "spec")] if kind.schema else []
    if not found:
        try:
            found = [*kind.validate(resource)]
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            # Rules are written for specs that passed the API. A peer may send a shape they do not expect.
            return f"{resource.name}: cannot be validated: {error}"
    return "\n".join(str(violation) for violation in found)
