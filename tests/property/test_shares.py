"""Replicas that let streams go come to serve about equally many, with few moves and no stream going back and forth."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from kds.replicas.shares import Limits, fair_share, is_noteworthy, surplus

Route = Callable[[Sequence[int], random.Random], int]
"""Where a load balancer leads a new connection, given how many each replica has."""

COUNTS = st.lists(st.integers(0, 300), min_size=2, max_size=5)
LIMITS = st.builds(Limits, st.floats(0, 0.5), st.floats(0.01, 1))


def least(counts: Sequence[int], _: random.Random) -> int:
    return min(range(len(counts)), key=counts.__getitem__)


def anywhere(counts: Sequence[int], rng: random.Random) -> int:
    return rng.randrange(len(counts))


def run(counts: list[int], limits: Limits, route: Route, rng: random.Random) -> tuple[int, int]:
    """Rounds in which each acts on what the others had in the round before, until nobody moves; rounds and moves."""
    rounds = moves = 0
    told, moving = list(counts), [0] * len(counts)
    begun = [False] * len(counts)
    while True:
        went = []
        for own, count in enumerate(counts):
            others = [told[other] for other in range(len(told)) if other != own]
            begun[own] = begun[own] or surplus(count, others, limits) > 0
            went.append(surplus(count, others, limits, moving=moving[own], begun=begun[own]))
            begun[own] = begun[own] and (went[own] > 0 or moving[own] > 0)
            assert count - went[own] >= min(count, fair_share(count, others)), "nobody goes below its share"
        if not any(went) and not any(moving):
            return rounds, moves
        told, moving = list(counts), went
        for own, count in enumerate(went):
            assert count <= max(1, counts[own] * limits.step), "a round moves no more than allowed"
            counts[own] -= count
        for _ in range(sum(went)):
            counts[route(counts, rng)] += 1
        rounds, moves = rounds + 1, moves + sum(went)
        assert rounds < 5000


@settings(deadline=None)
@given(COUNTS, LIMITS)
def test_each_stream_moves_once_where_the_emptiest_replica_gets_it(counts: list[int], limits: Limits) -> None:
    before, total = list(counts), sum(counts)
    _, moves = run(counts, limits, least, random.Random(0))
    share = fair_share(counts[0], counts[1:])
    assert sum(counts) == total
    assert max(counts) <= share * (1 + limits.margin)
    assert moves <= sum(max(0, count - share) for count in before), "nothing moved that did not have to"


@settings(deadline=None)
@given(COUNTS, LIMITS, st.integers(0, 99))
def test_they_level_wherever_streams_land(counts: list[int], limits: Limits, seed: int) -> None:
    total = sum(counts)
    run(counts, limits, anywhere, random.Random(seed))
    assert sum(counts) == total
    assert max(counts) <= fair_share(counts[0], counts[1:]) * (1 + limits.margin)


@given(st.integers(0, 300), st.integers(2, 5), st.floats(0, 0.5))
def test_nobody_moves_who_is_within_the_margin(share: int, size: int, margin: float) -> None:
    own = int(share * (1 + margin))
    others = [share] * (size - 2) + [max(0, 2 * share - own)]
    assert surplus(own, others, Limits(margin)) == 0


def test_one_of_two_zones_moves_and_the_odd_one_stays() -> None:
    assert surplus(2, [0], Limits()) == 1
    assert surplus(1, [0], Limits()) == 0
    assert surplus(3, [2], Limits()) == 0
    assert surplus(4, [2], Limits()) == 1


def test_small_changes_are_worth_telling_only_where_there_is_little() -> None:
    assert is_noteworthy(0, 1) and is_noteworthy(10, 9)
    assert not is_noteworthy(1000, 1015) and is_noteworthy(1000, 1030)
