"""Maximal sets of tag subsets that one client could carry together.

Two subsets are compatible when no key has different values in them. A group is a maximal clique of that relation;
they are found with the Bron–Kerbosch algorithm with pivoting, sets being bit masks. Equal subsets are one vertex, the
empty one is in every group, and compatibility is computed per (key, value) instead of per pair, so lists that use one
key, the usual case, cost little more than their length. There can be exponentially many groups, and so can there be
combinations of the tags of one; the search is given up when it takes more steps than the caller allows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ursa.policies.core.subject import Tags


class _TooMuch(Exception):
    """The work exceeded its budget; never leaves this module."""


def maximal_groups(subsets: Sequence[Tags], *, budget: int) -> tuple[tuple[int, ...], ...] | None:
    """All maximal groups of compatible subsets, as positions; those with later positions first.

    Args:
        subsets: the tag sets, in list order.
        budget: the work that the groups are worth: vertices looked at to find them, and members times combinations
            of tags to make rules of them.

    Returns:
        The groups, or None beyond the budget.
    """
    positions: dict[Tags, list[int]] = {}
    for position, tags in enumerate(subsets):
        positions.setdefault(tags, []).append(position)
    everyone = positions.pop(frozenset(), [])
    vertices = list(positions)
    if not vertices:
        return (tuple(everyone),) if everyone else ()
    groups = []
    try:
        for mask in _cliques(vertices, budget):
            clique = [p for vertex in _members(mask) for p in positions[vertices[vertex]]]
            groups.append(tuple(sorted([*everyone, *clique])))
            budget -= len(groups[-1]) << len({tag for vertex in _members(mask) for tag in vertices[vertex]})
            if budget < 0:
                return None
    except _TooMuch:
        return None
    return tuple(sorted(groups, reverse=True))


def _cliques(vertices: Sequence[Tags], budget: int) -> Iterator[int]:
    """Maximal cliques as masks: (clique, its tags, candidates, excluded) on an explicit stack.

    Raises:
        _TooMuch: vertices looked at, or the combinations of one clique's tags alone, exceed the budget.
    """
    neighbours, tags_of = _compatible(vertices)
    stack = [(0, 0, (1 << len(vertices)) - 1, 0)]
    while stack:
        clique, tags, candidates, excluded = stack.pop()
        if 1 << tags.bit_count() > budget:
            raise _TooMuch
        if not candidates:
            if not excluded:
                yield clique
            continue
        budget -= (candidates | excluded).bit_count()
        pivot = max(_members(candidates | excluded), key=lambda v: (neighbours[v] & candidates).bit_count())
        for vertex in _members(candidates & ~neighbours[pivot]):
            with_vertex = (clique | 1 << vertex, tags | tags_of[vertex])
            stack.append((*with_vertex, candidates & neighbours[vertex], excluded & neighbours[vertex]))
            candidates &= ~(1 << vertex)
            excluded |= 1 << vertex


def _compatible(vertices: Sequence[Tags]) -> tuple[list[int], list[int]]:
    """For each subset the mask of the other subsets compatible with it, and the mask of its tags."""
    using: dict[str, int] = {}
    having: dict[tuple[str, str], int] = {}
    for vertex, tags in enumerate(vertices):
        for tag in tags:
            using[tag[0]] = using.get(tag[0], 0) | 1 << vertex
            having[tag] = having.get(tag, 0) | 1 << vertex
    numbers = {tag: 1 << number for number, tag in enumerate(having)}
    everyone = (1 << len(vertices)) - 1
    neighbours, tags_of = [], []
    for vertex, tags in enumerate(vertices):
        conflicts, own = 1 << vertex, 0
        for tag in tags:
            conflicts |= using[tag[0]] & ~having[tag]
            own |= numbers[tag]
        neighbours.append(everyone & ~conflicts)
        tags_of.append(own)
    return neighbours, tags_of


def _members(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
