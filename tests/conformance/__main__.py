"""`make conformance`: runs the recorded suites where they are present; says the score, fails on what got worse."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.conformance.pending import verdict
from tests.conformance.suites import SUITES, Outcome, Suite, own_network
from ursa.testing import shared_folder


def main() -> int:
    """Runs the chosen suites; the exit status says whether all is as it should be."""
    parser = argparse.ArgumentParser(prog="make conformance")
    parser.add_argument("--only", action="append", choices=[suite.name for suite in SUITES], help="suites to run")
    parser.add_argument("-v", "--verbose", action="store_true", help="show what the runners print")
    options = parser.parse_args()
    shared = shared_folder()
    if shared is None:
        print("conformance: no recorded cases here (TESTS_SHARED names their folder)")
        return 0
    chosen = [suite for suite in SUITES if not options.only or suite.name in options.only]
    network = own_network()
    run = partial(_run, folder=shared / "conformance", launcher=network, verbose=options.verbose)
    # Much of a suite is waiting, so that two fill the machine. What they show would be mixed up, and so would ports.
    with ThreadPoolExecutor(2 if network and not options.verbose else 1) as pool:
        outcomes = dict(zip(chosen, pool.map(run, chosen), strict=True))
    problems = [problem for suite, outcome in outcomes.items() for problem in verdict(suite.name, outcome.passed)]
    for problem in problems:
        print(f"  {problem}")
    print(
        f"{sum(len(outcome.passed) for outcome in outcomes.values()) - len(problems)} as expected, {len(problems)} not"
    )
    return 1 if problems else 0


def _run(suite: Suite, *, folder: Path, launcher: Sequence[str], verbose: bool) -> Outcome:
    started = time.monotonic()
    outcome = suite.run(folder, launcher=launcher, verbose=verbose)
    print(
        f"conformance {suite.name}: {sum(outcome.passed.values())} of {len(outcome.passed)} cases, {outcome.score}, "
        f"{time.monotonic() - started:.0f} s",
        flush=True,
    )
    return outcome


if __name__ == "__main__":
    sys.exit(main())
