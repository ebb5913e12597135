"""`make conformance`: runs the recorded suites where they are present; says the score, fails on what got worse."""

from __future__ import annotations

import argparse
import sys
import time

from tests.conformance.pending import verdict
from tests.conformance.suites import SUITES
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
    problems: list[str] = []
    good = bad = 0
    for suite in SUITES:
        if options.only and suite.name not in options.only:
            continue
        started = time.monotonic()
        outcome = suite.run(shared / "conformance", verbose=options.verbose)
        passed = sum(outcome.passed.values())
        print(
            f"conformance {suite.name}: {passed} of {len(outcome.passed)} cases, {outcome.score}, "
            f"{time.monotonic() - started:.0f} s",
            flush=True,
        )
        found = verdict(suite.name, outcome.passed)
        problems += found
        bad += len(found)
        good += len(outcome.passed) - len(found)
    for problem in problems:
        print(f"  {problem}")
    print(f"{good} as expected, {bad} not")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
