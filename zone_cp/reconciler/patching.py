"""The last thing that happens to a proxy's configuration: what users change in it by hand.

Both halves are patched apart, so that the one that a class of proxies shares is patched once for all of them that have
the same patches. What is added goes into a proxy's own half.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from weakref import WeakKeyDictionary

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryResponse

from ursa.discovery.snapshot import ResourceSet, entry
from ursa.envoy import types
from ursa.envoy.patching.modify import modify, put
from ursa.envoy.patching.pieces import MESSAGES, Piece, Pieces
from ursa.errors import InvalidResource, Violation
from ursa.ir import origins
from ursa.ir.modifications import Patches
from ursa.model.validation.native import broken_rule
from zone_cp.reconciler.render import Rendered

_Made = WeakKeyDictionary[Patches, Rendered]


class Patching:
    """Remembers what patches made of a half, for as long as somebody has both."""

    def __init__(self) -> None:
        self._own: WeakKeyDictionary[Rendered, _Made] = WeakKeyDictionary()
        self._shared: WeakKeyDictionary[Rendered, _Made] = WeakKeyDictionary()

    def both(self, shared: Rendered, own: Rendered, patches: Patches) -> tuple[Rendered, Rendered]:
        """What proxies have in common and what one has of its own, as the patches change them.

        Raises:
            InvalidResource: a modification does not fit, or makes nonsense; it names the policy.
        """
        return (
            _remembered(self._shared, shared, patches, adding=False),
            _remembered(self._own, own, patches, adding=True),
        )


def _remembered(
    made: WeakKeyDictionary[Rendered, _Made], half: Rendered, patches: Patches, *, adding: bool
) -> Rendered:
    of_half = made.setdefault(half, WeakKeyDictionary())
    if patches not in of_half:
        of_half[patches] = _patched(half, patches, adding=adding)
    return of_half[patches]


def _patched(half: Rendered, patches: Patches, *, adding: bool) -> Rendered:
    pieces = {type_url: _pieces(type_url, half, patches.profiles) for type_url in MESSAGES}
    # What cannot be modified goes with everything that is generated: a template without imports has none of it.
    others = {} if patches.profiles == () else {t: found for t, found in half.resources.items() if t not in MESSAGES}
    for raw in patches.raw:
        if raw.type_url in MESSAGES:
            piece = Piece(raw.type_url, raw.name, origins.TEMPLATE_RAW, raw.body, changed_by=raw.said_by)
            put(pieces[raw.type_url], piece, adding=adding)
        elif adding:
            known = others.get(raw.type_url, ResourceSet.EMPTY)
            others[raw.type_url] = known.updated((entry(raw.type_url, raw.name, raw.body),))
    modify(pieces, patches.modifications, adding=adding)
    _check(pieces)
    return replace(
        half,
        resources=others | dict(_sets(half, pieces)),
        origins={type_url: {name: piece.origin for name, piece in found.items()} for type_url, found in pieces.items()},
        endpoints={
            name: of for name, of in half.endpoints.items() if _asks_for_endpoints(pieces[types.CLUSTER].get(name))
        },
    )


def _pieces(type_url: str, half: Rendered, profiles: Iterable[str] | None) -> dict[str, Piece]:
    """The resources of a type that the profiles have."""
    made_by: Mapping[str, str] = half.origins.get(type_url, {})
    found = (Piece(type_url, e.name, made_by[e.name], _body(e.any_framed)) for e in half.resources.get(type_url, ()))
    if profiles is not None:
        found = (piece for piece in found if any(origins.in_profile(profile, piece.origin) for profile in profiles))
    return {piece.name: piece for piece in found}


def _body(framed: bytes) -> bytes:
    return bytes(DiscoveryResponse.FromString(framed).resources[0].value)


def _sets(half: Rendered, pieces: Pieces) -> Iterator[tuple[str, ResourceSet]]:
    """The resources in bytes; what nobody changed stays as it is."""
    for type_url, found in pieces.items():
        before = half.resources.get(type_url, ResourceSet.EMPTY)
        changed = [entry(type_url, piece.name, piece.body) for piece in found.values() if piece.changed_by]
        after = before.updated(changed, [name for name in before.names() if name not in found])
        if type_url in half.resources or after:
            yield type_url, after


def _check(pieces: Pieces) -> None:
    """Whether what was changed follows Envoy's own rules."""
    for found in pieces.values():
        for piece in found.values():
            if piece.changed_by and (reason := broken_rule(piece.message)):
                raise InvalidResource([Violation(f'{piece.changed_by}: "{piece.name}"', reason)])


def _asks_for_endpoints(cluster: Piece | None) -> bool:
    """Whether a cluster that asked for its endpoints is still there and still does."""
    if cluster is None or not cluster.changed_by:
        return cluster is not None
    return isinstance(cluster.message, Cluster) and cluster.message.type == Cluster.EDS
