"""Networks that lose packets silently between a control plane and its store, another instance, or a zone; and pauses.

The scenarios are in `partitions.py`; they run in a network namespace of their own, in which these start them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.failure.namespaces import UNSHARE, can_unshare

SCENARIOS = Path(__file__).with_name("partitions.py")

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("cut", ["store", "instances", "zone", "pause"])
def test_partition(tmp_path: Path, cut: str) -> None:
    if not can_unshare():
        pytest.skip("this machine allows no network namespaces without root (unshare --map-root-user --net)")
    command = [*UNSHARE, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp"]
    done = subprocess.run(
        [*command, str(tmp_path / cut), f"{SCENARIOS}::test_{cut}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout[-6000:] + done.stderr[-2000:]
