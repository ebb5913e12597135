"""Which recorded cases are not passed yet. What is not listed must pass, and what passes must leave the list.

So the list only ever gets shorter, and a case that breaks is a failure on the day it breaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

LIST = Path(__file__).with_name("pending.txt")


def pending(suite: str) -> frozenset[str]:
    """Names of the cases of a suite that may fail. A line of the list is `SUITE CASE`, `#` starts a comment."""
    lines = (line.partition("#")[0].split() for line in LIST.read_text().splitlines())
    return frozenset(fields[1] for fields in lines if fields and fields[0] == suite)


def verdict(suite: str, passed: Mapping[str, bool]) -> list[str]:
    """What is wrong with the outcome of a suite, in words; nothing when it is as expected."""
    allowed = pending(suite)
    problems = [f"{suite}/{name} fails" for name, good in passed.items() if not good and name not in allowed]
    problems += [
        f"{suite}/{name} passes now: take it off {LIST.name}"
        for name, good in passed.items()
        if good and name in allowed
    ]
    problems += [
        f"{suite}/{name} is listed in {LIST.name} but there is no such case" for name in allowed - passed.keys()
    ]
    return problems
