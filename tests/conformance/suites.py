"""How each suite of the shared folder is started, and how its summary is read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOOLS = Path(sys.executable).parent


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
        arguments: from where the summary is to be written to what the runner is told.
        read: makes an outcome of the summary it wrote.
    """

    name: str
    script: str
    arguments: Callable[[Path], Sequence[str]]
    read: Callable[[Any], Outcome]

    def run(self, folder: Path, *, launcher: Sequence[str], verbose: bool) -> Outcome:
        """Runs it; a failing case is an outcome, a runner that dies without a summary is an error.

        Args:
            launcher: what to put before the command.

        Raises:
            RuntimeError: the runner wrote no summary.
        """
        with tempfile.TemporaryDirectory(prefix="ursa-conformance-") as scratch:
            summary = Path(scratch) / "summary.json"
            command = [*launcher, sys.executable, str(folder / self.script), *self.arguments(summary)]
            output = None if verbose else subprocess.DEVNULL
            done = subprocess.run(command, cwd=folder, stdout=output, check=False)
            if not summary.exists():
                raise RuntimeError(f"{self.script} ended with status {done.returncode} and no summary")
            return self.read(json.loads(summary.read_text()))


def own_network() -> list[str]:
    """How to run a command in a network of its own; nothing where that is not allowed.

    Some suites cannot choose their ports, and the others choose without knowing of each other.
    """
    launcher = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$0" "$@"']
    if not (shutil.which("unshare") and shutil.which("ip")):
        return []
    return launcher if subprocess.run([*launcher, "true"], capture_output=True, check=False).returncode == 0 else []


def _cases(kind: str) -> Callable[[Path], Sequence[str]]:
    jobs = max(1, min(4, os.cpu_count() or 1))

    def arguments(summary: Path) -> Sequence[str]:
        cp = str(TOOLS / "ursa-cp")
        return ("--cp", cp, "--cases", kind, "--jobs", str(jobs), "--summary", str(summary))

    return arguments


def _all_ours(summary: Path) -> Sequence[str]:
    """Global and both zones are ours, and so is what stands for the original's tools beside them."""
    ours = ",".join(str(TOOLS / tool) for tool in ("ursa-cp", "ursactl", "ursa-dp"))
    stores = ("--ours-store", "sqlite", "--kuma-store", "memory")
    return (
        "--ours",
        ours,
        "--kuma",
        ours,
        *stores,
        "--envoy",
        str(TOOLS / "envoy"),
        "--pairing",
        "d",
        "--json",
        str(summary),
    )


def _configuration(summary: Any) -> Outcome:
    # A difference from a defect of the recorded control plane is no failure; the recording says which those are.
    passed = {name: case["passed"] or bool(case["quirk"]) for name, case in summary["cases"].items()}
    return Outcome(passed, f"{summary['equal']} of {summary['resources']} resources equal")


def _answers(summary: Any) -> Outcome:
    passed = {name: problem is None for name, problem in summary.items()}
    return Outcome(passed, "every answer compared whole")


def _checks(summary: Any) -> Outcome:
    passed = {name: check["verdict"] == "ok" for name, check in summary["checks"].items()}
    slowest = max((zone["p50"] for zones in summary["latency_seconds"].values() for zone in zones.values()), default=0)
    return Outcome(passed, f"a policy is in a zone after {slowest:.3f} s (median)")


SUITES = (
    Suite("interop", "interop/interop.py", _all_ours, _checks),
    Suite("policies", "xds_suite.py", _cases("policies"), _configuration),
    Suite("api", "api_suite.py", _cases("api"), _answers),
    Suite("xds", "xds_suite.py", _cases("xds"), _configuration),
)
"""Everything that is run on a change, what takes longest first. A wrong answer is waited for as long as the runners
think right."""
