"""A zone loses its weight in even steps that depend on the time alone, and never gets any back on its way out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from global_cp.drain_steps import SECOND, advanced, begun, going_on, next_step, paced, steps_made, steps_of, unfinished
from kds.drains import Drain
from ursa.runtime.config.multizone import MultizoneGlobalDrain

LIMITS = MultizoneGlobalDrain()
START = 1_000 * SECOND
drains = st.builds(
    lambda origin, target, over: Drain(origin, origin, target, START, over),
    st.integers(0, 100),
    st.sampled_from([0, 100]),
    st.integers(0, 10_000 * SECOND),
)


def shares(drain: Drain) -> list[tuple[float, int]]:
    """Seconds and shares of the steps, as whoever makes each when it is due sees them."""
    found, now = [], START
    while (due := next_step(drain, LIMITS, now)) is not None:
        now = due
        drain = advanced(drain, LIMITS, now)
        found.append(((now - START) / SECOND, drain.share))
    return found


def test_ten_minutes_are_twenty_steps() -> None:
    found = shares(begun(None, 0, over=600 * SECOND, now=START))
    assert found == [(30.0 * step, 100 - 5 * step) for step in range(1, 21)]


def test_a_short_drain_has_no_steps_shorter_than_a_second() -> None:
    assert shares(begun(None, 0, over=4 * SECOND, now=START)) == [(1, 75), (2, 50), (3, 25), (4, 0)]
    assert shares(begun(None, 0, over=SECOND // 2, now=START)) == [(0.5, 0)]


def test_at_once_is_one_step() -> None:
    assert advanced(begun(None, 0, over=0, now=START), LIMITS, START).share == 0


def test_a_zone_turns_round_where_it_is() -> None:
    out = advanced(begun(None, 0, over=100 * SECOND, now=START), LIMITS, START + 60 * SECOND)
    assert out.share == 40
    back = begun(out, 100, over=2 * SECOND, now=START)
    assert shares(back) == [(1, 70), (2, 100)]
    assert unfinished({"east": out, "west": advanced(back, LIMITS, START + 2 * SECOND)}) == {"east": out}


@given(drains, st.lists(st.integers(-100 * SECOND, 20_000 * SECOND)))
def test_no_step_is_taken_back_whatever_the_clock_does(drain: Drain, times: list[int]) -> None:
    before = drain
    for time in times:
        after = advanced(before, LIMITS, START + time)
        assert abs(after.target - after.share) <= abs(before.target - before.share)
        before = after
    assert advanced(before, LIMITS, START + drain.over).done


@given(drains, st.integers(0, 20_000 * SECOND))
def test_whoever_takes_over_makes_the_same_steps(drain: Drain, later: int) -> None:
    stepwise, now = drain, START
    while (due := next_step(stepwise, LIMITS, now)) is not None and due <= START + later:
        now = due
        stepwise = advanced(stepwise, LIMITS, now)
    assert stepwise == advanced(drain, LIMITS, START + later)


@given(drains)
def test_a_step_is_due_exactly_when_it_is_said_to_be(drain: Drain) -> None:
    due = next_step(drain, LIMITS, START)
    if due is None:
        assert drain.done
    else:
        assert steps_made(drain, LIMITS, due) >= 1
        assert drain.over == 0 or steps_made(drain, LIMITS, due - 1) == 0
        assert 1 <= steps_of(drain, LIMITS) <= 20


@pytest.mark.parametrize("target", [0, 100])
def test_what_is_done_has_no_next_step(target: int) -> None:
    assert next_step(Drain(target, 50, target, START, SECOND), LIMITS, START) is None


def test_what_others_cannot_bear_is_held_up_and_goes_on_where_it_was() -> None:
    out = paced(begun(None, 0, over=100 * SECOND, now=START), LIMITS, START + 50 * SECOND, bearable=True)
    assert out.share == 50
    assert paced(out, LIMITS, START + 52 * SECOND, bearable=False) == out, "no step is due"
    held = paced(out, LIMITS, START + 55 * SECOND, bearable=False)
    assert (held.share, held.held_at) == (50, START + 55 * SECOND)
    assert next_step(held, LIMITS, START + 60 * SECOND) is None
    assert paced(held, LIMITS, START + 9000 * SECOND, bearable=False) == held
    on = paced(held, LIMITS, START + 1055 * SECOND, bearable=True)
    assert (on.share, on.held_at) == (45, 0)
    assert shares(on)[-1] == (1100, 0)
    assert going_on(held, START + 65 * SECOND).started_at == START + 10 * SECOND


def test_whoever_was_told_to_go_on_all_the_same_does() -> None:
    forced = begun(None, 0, over=100 * SECOND, now=START, forced=True)
    assert paced(forced, LIMITS, START + 50 * SECOND, bearable=False).share == 50
    back = begun(forced, 100, over=10 * SECOND, now=START)
    assert paced(back, LIMITS, START + 10 * SECOND, bearable=False).share == 100
