"""Maximal sets of tag subsets that one client could carry together.

Two subsets are compatible when no key has different values in them. A group is a maximal clique of that relation;
they are found with the Bron–Kerbosch algorithm with pivoting, sets being bit masks. Compatibility is computed per
(key, value) instead of per pair, so lists that use one key, the usual case, cost little more than their length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from ursa.policies.core.subject import Tags


def maximal_groups(subsets: Sequence[Tags], *, limit: int) -> tuple[tuple[int, ...], ...] | None:
    """All maximal groups of compatible subsets, as positions; those with later positions first.

    Args:
        subsets: the tag sets, in list order.
        limit: how many groups are worth finding.

    Returns:
        The groups, or None when there are more than `limit`.
    """
    if not subsets:
        return ()
    found = list(islice(_cliques(_compatible(subsets)), limit + 1))
    if len(found) > limit:
        return None
    return tuple(sorted((_positions(mask) for mask in found), reverse=True))


def _compatible(subsets: Sequence[Tags]) -> list[int]:
    """For each subset the mask of the other subsets compatible with it."""
    using: dict[str, int] = {}
    having: dict[tuple[str, str], int] = {}
    for position, tags in enumerate(subsets):
        for tag in tags:
            using[tag[0]] = using.get(tag[0], 0) | 1 << position
            having[tag] = having.get(tag, 0) | 1 << position
    everyone = (1 << len(subsets)) - 1
    masks = []
    for position, tags in enumerate(subsets):
        conflicts = 1 << position
        for tag in tags:
            conflicts |= using[tag[0]] & ~having[tag]
        masks.append(everyone & ~conflicts)
    return masks


def _cliques(neighbours: Sequence[int]) -> Iterator[int]:
    """Maximal cliques as masks: (clique, candidates, excluded) on an explicit stack."""
    stack = [(0, (1 << len(neighbours)) - 1, 0)]
    while stack:
        clique, candidates, excluded = stack.pop()
        if not candidates:
            if not excluded:
                yield clique
            continue
        pivot = max(_members(candidates | excluded), key=lambda v: (neighbours[v] & candidates).bit_count())
        for vertex in _members(candidates & ~neighbours[pivot]):
            stack.append((clique | 1 << vertex, candidates & neighbours[vertex], excluded & neighbours[vertex]))
            candidates &= ~(1 << vertex)
            excluded |= 1 << vertex


def _members(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def _positions(mask: int) -> tuple[int, ...]:
    return tuple(_members(mask))
