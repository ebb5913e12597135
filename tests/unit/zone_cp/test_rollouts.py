"""Whoever is faster, the store, the planner or the proxy: a report counts each concerned proxy once."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from kds.rollout_report import Report
from tests.unit.kds.lab import Side
from ursa.model.resource import ResourceKey
from zone_cp.rollouts import RolloutLedger

A, B = (ResourceKey("Dataplane", "default", name) for name in "ab")


async def reported(ledger: RolloutLedger) -> dict[int, Report]:
    found: dict[int, Report] = {}
    task = asyncio.get_running_loop().create_task(
        ledger.run(lambda reports: found.update((one.revision, one) for one in reports))
    )
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    return found


@pytest.mark.parametrize("order", list(itertools.permutations(("stored", "stepped", "settled"))))
async def test_the_order_of_events_does_not_matter(order: tuple[str, ...]) -> None:
    if order.index("settled") < order.index("stepped"):
        # A proxy has nothing to acknowledge before it was planned.
        return
    ledger = RolloutLedger(Side().clock, kept=200, pause=0.2)
    events = {
        "stored": lambda: ledger.stored(7, 40),
        "stepped": lambda: ledger.stepped(39, 41, [A, B]),
        "settled": lambda: ledger.settled(A, 41),
    }
    for name in order:
        events[name]()
    report = (await reported(ledger))[7]
    assert (report.affected, report.acknowledged, report.planned, report.complete) == (2, 1, True, False)


async def test_an_older_configuration_does_not_count() -> None:
    ledger = RolloutLedger(Side().clock, kept=200, pause=0.2)
    ledger.stored(7, 40)
    ledger.stepped(39, 41, [A])
    ledger.settled(A, 39)
    assert (await reported(ledger))[7].acknowledged == 0


async def test_steps_before_and_after_do_not_concern_it() -> None:
    ledger = RolloutLedger(Side().clock, kept=200, pause=0.2)
    ledger.stepped(30, 39, [A])
    ledger.stored(7, 40)
    assert not (await reported(ledger))[7].planned
    ledger.stepped(39, 40, [])
    ledger.stepped(40, 42, [B])
    report = (await reported(ledger))[7]
    assert report.complete and report.affected == 0


async def test_refusals_are_told_and_taken_back() -> None:
    ledger = RolloutLedger(Side().clock, kept=200, pause=0.2)
    ledger.stored(7, 40)
    ledger.stepped(39, 40, [A, B])
    ledger.rejected(A, "bad cluster")
    report = (await reported(ledger))[7]
    assert (report.rejected, report.reasons) == (1, ("bad cluster",))
    ledger.settled(A, 40)
    ledger.left(B)
    report = (await reported(ledger))[7]
    assert (report.rejected, report.affected, report.complete) == (0, 1, True)


async def test_only_the_newest_revisions_are_reported() -> None:
    ledger = RolloutLedger(Side().clock, kept=2, pause=0.2)
    for revision in (7, 8, 9):
        ledger.stored(revision, 40 + revision)
    assert (await reported(ledger)).keys() == {8, 9}


async def test_a_proxy_that_cannot_be_planned_counts_as_one_that_refuses() -> None:
    ledger = RolloutLedger(Side().clock, kept=200, pause=0.2)
    ledger.stored(7, 40)
    ledger.stepped(39, 40, [A], {B: "policy says nonsense"})
    ledger.settled(A, 40)
    report = (await reported(ledger))[7]
    assert (report.affected, report.acknowledged, report.rejected) == (2, 1, 1)
    assert report.reasons == ("policy says nonsense",)
    ledger.settled(B, 41)
    assert (await reported(ledger))[7].acknowledged == 2
