"""How each suite of the shared folder is started, and how its summary is read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOOLS = Path(sys.executable).parent
JOBS = max(1, min(4, os.cpu_count() or 1))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a suite found.

    Attributes:
        passed: whether each case is as recorded.
        score: one line for people, on how near the rest is.
    """

    passed: Mapping[str, bool]
    score: str


@dataclass(frozen=True, slots=True)
class Suite:
    """One runner with the cases it is given.

    Attributes:
        name: what the list of pending cases calls it.
        script: the runner, below the folder of recorded cases.
        arguments: what it is told beside the command of the control plane and where to write.
        read: makes an outcome of the summary it wrote.
    """

    name: str
    script: str
    arguments: Sequence[str]
    read: Callable[[Any], Outcome]

    def run(self, folder: Path, *, verbose: bool) -> Outcome:
        """Runs it; a failing case is an outcome, a runner that dies without a summary is an error.

        Raises:
            RuntimeError: the runner wrote no summary.
        """
        with tempfile.TemporaryDirectory(prefix="ursa-conformance-") as scratch:
            summary = Path(scratch) / "summary.json"
            command = [
                *(sys.executable, str(folder / self.script), "--cp", str(TOOLS / "ursa-cp"), "--summary", str(summary)),
                *self.arguments,
            ]
            output = None if verbose else subprocess.DEVNULL
            done = subprocess.run(command, cwd=folder, stdout=output, check=False)
            if not summary.exists():
                raise RuntimeError(f"{self.script} ended with status {done.returncode} and no summary")
            return self.read(json.loads(summary.read_text()))


def _configuration(summary: Any) -> Outcome:
    # A difference from a defect of the recorded control plane is no failure; the recording says which those are.
    passed = {name: case["passed"] or bool(case["quirk"]) for name, case in summary["cases"].items()}
    return Outcome(passed, f"{summary['equal']} of {summary['resources']} resources equal")


def _answers(summary: Any) -> Outcome:
    passed = {name: problem is None for name, problem in summary.items()}
    return Outcome(passed, "every answer compared whole")


SUITES = (
    Suite("api", "api_suite.py", ("--cases", "api", "--jobs", str(JOBS)), _answers),
    Suite("xds", "xds_suite.py", ("--cases", "xds", "--jobs", str(JOBS)), _configuration),
    Suite("policies", "xds_suite.py", ("--cases", "policies", "--jobs", str(JOBS)), _configuration),
)
"""Everything that is run on a change. A wrong answer is waited for as long as the runners think right."""
