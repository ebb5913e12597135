"""Applies modifications to the resources on the workbench."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any as Untyped

from envoy.config.listener.v3.listener_components_pb2 import Filter
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.config.route.v3.route_components_pb2 import VirtualHost
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)

from ursa.envoy import types
from ursa.envoy.patching.json_patches import patch_message
from ursa.envoy.patching.merging import merge, merge_packed, repack, unpacked
from ursa.envoy.patching.pieces import Piece, Pieces
from ursa.envoy.values import serialised
from ursa.errors import BadRequest, InvalidResource, Violation
from ursa.ir.modifications import Match, Modification, Operation, Part

_HTTP = "envoy.filters.network.http_connection_manager"

Named = Untyped
"""A message with a name; lists of them have no common type."""


def modify(pieces: Pieces, modifications: Iterable[Modification], *, adding: bool = True) -> None:
    """Applies modifications in their order.

    Args:
        pieces: what they apply to; changed in place.
        modifications: what is wanted.
        adding: False where what is added belongs into another half; then it only replaces what has its name.

    Raises:
        InvalidResource: one does not fit; it names who wanted it. What was changed by then stays changed.
    """
    for one in modifications:
        try:
            _APPLY[one.part](pieces, one, adding)
        except BadRequest as error:
            raise InvalidResource([Violation(f"{one.said_by}: {one.place}", str(error))]) from error


def _resource(type_url: str) -> Callable[[Pieces, Modification, bool], None]:
    def apply(pieces: Pieces, one: Modification, adding: bool) -> None:
        found = pieces.setdefault(type_url, {})
        if one.operation is Operation.ADD:
            put(found, _piece(type_url, one), adding=adding)
            return
        for piece in [piece for piece in found.values() if _matches(piece, one.match)]:
            if one.operation is Operation.REMOVE:
                del found[piece.name]
            else:
                _patch(piece.message, one)
                piece.changed_by = one.said_by

    return apply


def put(found: dict[str, Piece], piece: Piece, *, adding: bool) -> None:
    """Puts a resource in the place of one of its name; where there is none, only when `adding`."""
    if adding or piece.name in found:
        found[piece.name] = piece


def _piece(type_url: str, one: Modification) -> Piece:
    assert one.value is not None
    name = str(getattr(one.value, "name"))  # noqa: B009 - messages have no common type with a name
    return Piece(type_url, name, one.origin, serialised(one.value), changed_by=one.said_by)


def _matches(piece: Piece, match: Match) -> bool:
    return match.name in ("", piece.name) and _in_place(piece, match)


def _in_place(piece: Piece, match: Match) -> bool:
    """Whether a resource is of the origin, and a listener has the tags, that a modification is for."""
    return match.origin in ("", piece.origin) and (not match.tags or _tagged(piece, match))


def _tagged(piece: Piece, match: Match) -> bool:
    tags = piece.tags
    return all(key in tags and value in ("*", tags[key]) for key, value in match.tags.items())


def _listeners(pieces: Pieces, match: Match) -> Iterator[tuple[Piece, Listener]]:
    """The listeners that hold what a modification is for."""
    for piece in pieces.get(types.LISTENER, {}).values():
        if match.listener in ("", piece.name) and _in_place(piece, match):
            assert isinstance(piece.message, Listener)
            yield piece, piece.message


def _network_filters(pieces: Pieces, one: Modification, _: bool) -> None:
    for piece, listener in _listeners(pieces, one.match):
        for chain in _chains(listener):
            if _in_list(chain.filters, one):
                piece.changed_by = one.said_by


def _http_filters(pieces: Pieces, one: Modification, _: bool) -> None:
    _managers(pieces, one, lambda manager: _in_list(manager.http_filters, one))


def _virtual_hosts(pieces: Pieces, one: Modification, _: bool) -> None:
    def inline(manager: HttpConnectionManager) -> bool:
        return manager.HasField("route_config") and _in_routes(manager.route_config, one)

    _managers(pieces, one, inline)
    for piece in pieces.get(types.ROUTE, {}).values():
        if _in_place(piece, one.match):
            assert isinstance(piece.message, RouteConfiguration)
            if _in_routes(piece.message, one):
                piece.changed_by = one.said_by


def _managers(pieces: Pieces, one: Modification, change: Callable[[HttpConnectionManager], bool]) -> None:
    """Changes HTTP connection managers; `change` tells whether it changed one."""
    for piece, listener in _listeners(pieces, one.match):
        for chain in _chains(listener):
            for found in chain.filters:
                if found.name != _HTTP:
                    continue
                manager = unpacked(found.typed_config)
                if isinstance(manager, HttpConnectionManager) and change(manager):
                    repack(found.typed_config, manager)
                    piece.changed_by = one.said_by


def _chains(listener: Listener) -> Iterator[Untyped]:
    yield from listener.filter_chains
    if listener.HasField("default_filter_chain"):
        yield listener.default_filter_chain


def _in_list(filters: Named, one: Modification) -> bool:
    """Changes a list of filters; tells whether it did."""
    named = [i for i, of in enumerate(filters) if one.match.name in ("", of.name)]
    if one.operation is Operation.REMOVE:
        for position in reversed(named):
            del filters[position]
        return bool(named)
    if one.operation is Operation.PATCH:
        for position in named:
            _patch_filter(filters[position], one)
        return bool(named)
    place = _place(one.operation, named, len(filters))
    if place is not None:
        filters.insert(place, one.value)
    return place is not None


def _place(operation: Operation, named: list[int], length: int) -> int | None:
    """Where a filter is added; nowhere when the one it goes next to is missing."""
    if operation is Operation.ADD_FIRST:
        return 0
    if operation is Operation.ADD_LAST:
        return length
    if not named:
        return None
    return named[0] + (1 if operation is Operation.ADD_AFTER else 0)


def _patch_filter(found: Filter, one: Modification) -> None:
    """Filters are patched in their configuration."""
    if one.json_patches:
        config = unpacked(found.typed_config)
        patch_message(config, one.json_patches)
        repack(found.typed_config, config)
    else:
        assert isinstance(one.value, type(found))
        merge_packed(found.typed_config, one.value.typed_config)


def _in_routes(routes: RouteConfiguration, one: Modification) -> bool:
    """Changes virtual hosts; tells whether it did."""
    if one.match.route_config not in ("", routes.name):
        return False
    if one.operation is Operation.ADD:
        assert isinstance(one.value, VirtualHost)
        routes.virtual_hosts.append(one.value)
        return True
    hosts = [host for host in routes.virtual_hosts if one.match.name in ("", host.name)]
    for host in hosts:
        if one.operation is Operation.REMOVE:
            routes.virtual_hosts.remove(host)
        else:
            _patch(host, one)
    return bool(hosts)


def _patch(message: Named, one: Modification) -> None:
    if one.json_patches:
        patch_message(message, one.json_patches)
    else:
        assert one.value is not None
        merge(message, one.value)


_APPLY = {
    Part.CLUSTER: _resource(types.CLUSTER),
    Part.LISTENER: _resource(types.LISTENER),
    Part.NETWORK_FILTER: _network_filters,
    Part.HTTP_FILTER: _http_filters,
    Part.VIRTUAL_HOST: _virtual_hosts,
}
