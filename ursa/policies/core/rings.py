"""Rings of consistent hashing as Envoy takes them, whichever generation of policies asks for one."""

from __future__ import annotations

from ursa.ir.cluster import RingHash

DEFAULT_SMALLEST = 1024
"""Envoy's own, if a policy says none."""


def ring(function: str, smallest: int | None, largest: int | None) -> RingHash:
    """A ring of a size between two, of which the second wins if it is the smaller one: Envoy would refuse both."""
    if largest is not None and largest < (smallest or DEFAULT_SMALLEST):
        smallest = largest
    return RingHash(function, smallest, largest)
