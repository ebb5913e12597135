"""Application protocols of services, and what endpoints that disagree have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from types import MappingProxyType

HTTP, HTTP2, GRPC, TCP, KAFKA, UNKNOWN = "http", "http2", "grpc", "tcp", "kafka", ""

HTTP_LIKE = frozenset({HTTP, HTTP2, GRPC})
"""Protocols for which Envoy looks into requests."""

_STACKS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        GRPC: (GRPC, HTTP2, TCP),
        HTTP2: (HTTP2, TCP),
        HTTP: (HTTP, TCP),
        KAFKA: (KAFKA, TCP),
        TCP: (TCP,),
    }
)
"""For each protocol what its traffic can also be treated as, best first (`spec/xds.md` §3.2)."""


def parse_protocol(tag: str) -> str:
    """The protocol of a tag's value; anything not known is unknown, which is treated like TCP."""
    lower = tag.lower()
    return lower if lower in _STACKS else UNKNOWN


def common_protocol(protocols: Iterable[str]) -> str:
    """What all endpoints speak; unknown when there are none or one is unknown."""
    found = list(protocols)
    return reduce(_common, found) if found else UNKNOWN


def _common(one: str, other: str) -> str:
    if one == other:
        return one
    if UNKNOWN in (one, other):
        return UNKNOWN
    for first, second in ((_STACKS[one], _STACKS[other]), (_STACKS[other], _STACKS[one])):
        shared = next((protocol for protocol in first if protocol in second), None)
        if shared is not None:
            return shared
    return UNKNOWN
