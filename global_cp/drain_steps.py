"""When a zone that is drained, or comes back, gets which part of its weight. Pure.

The time decides, not who asks: whoever leads after a restart finds the same steps, and a step that was made is never
taken back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kds.drains import Drain
from ursa.model.zone_proxy import WHOLE
from ursa.runtime.config.multizone import MultizoneGlobalDrain

SECOND = 1_000_000_000


def begun(before: Drain | None, target: int, *, over: int, now: int, forced: bool = False) -> Drain:
    """A new way, from wherever the zone is on its present one."""
    share = before.share if before is not None else WHOLE
    return Drain(share, share, target, now, over, forced)


def steps_of(drain: Drain, limits: MultizoneGlobalDrain) -> int:
    """In how many steps of equal size it goes."""
    shortest = max(1, round(limits.shortest_step * SECOND))
    return max(1, min(limits.steps, drain.over // shortest, abs(drain.target - drain.origin)))


def steps_made(drain: Drain, limits: MultizoneGlobalDrain, now: int) -> int:
    """How many of them are due at a time."""
    steps = steps_of(drain, limits)
    passed = max(0, (drain.held_at or now) - drain.started_at)
    return steps if passed >= drain.over else passed * steps // drain.over


def advanced(drain: Drain, limits: MultizoneGlobalDrain, now: int) -> Drain:
    """The drain with all steps made that are due."""
    distance = drain.target - drain.origin
    share = drain.origin + round(distance * steps_made(drain, limits, now) / steps_of(drain, limits))
    nearer = min(share, drain.share) if distance < 0 else max(share, drain.share)
    return replace(drain, share=nearer)


def paced(drain: Drain, limits: MultizoneGlobalDrain, now: int, *, bearable: bool) -> Drain:
    """The drain as far as it may go: what is taken from a zone must have somewhere to go, unless that was overruled.

    A way that was held up goes on where it was, as if no time had passed.
    """
    if drain.held_at:
        return advanced(going_on(drain, now), limits, now) if bearable else drain
    further = advanced(drain, limits, now)
    held = not bearable and not drain.forced and further.share < drain.share
    return replace(drain, held_at=now) if held else further


def going_on(drain: Drain, now: int) -> Drain:
    """The drain without what holds it up."""
    passed = max(0, now - drain.held_at) if drain.held_at else 0
    return replace(drain, started_at=drain.started_at + passed, held_at=0)


def unfinished(drains: Mapping[str, Drain]) -> dict[str, Drain]:
    """Without the zones that have all of their weight back."""
    return {zone: drain for zone, drain in drains.items() if drain.share < WHOLE or drain.target < WHOLE}


def next_step(drain: Drain, limits: MultizoneGlobalDrain, now: int) -> int | None:
    """When the next step is due, nanoseconds; None when none is."""
    if drain.done or drain.held_at:
        return None
    steps = steps_of(drain, limits)
    made = min(steps_made(drain, limits, now), steps - 1)
    # Rounded up: a moment too early there would be nothing to do yet.
    return drain.started_at - (-(made + 1) * drain.over // steps)
