"""The README is true: its walkthrough works as written, what it names exists."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"<!-- walkthrough(?P<background>: background)? -->\n```sh\n(?P<text>.*?)```", re.DOTALL)
PATIENCE = 60
"""Seconds in which a step must succeed: what runs in the other terminals may still be starting."""

NAMESPACE = ("unshare", "--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
"""A network of its own, so that the README's ports are free, and an end for every process."""


def driver(folder: Path) -> str:
    """A script that does what a reader does; a step of the reader's is repeated until it succeeds."""
    lines = ["set -u"]
    for number, block in enumerate(BLOCK.finditer(README)):
        step = folder / f"step-{number}.sh"
        step.write_text("set -eu\n" + block["text"])
        if block["background"]:
            lines.append(f"bash {step} >terminal-{number}.log 2>&1 &")
        else:
            lines += [
                f"until bash {step} >step-{number}.log 2>&1; do",
                f"  [ $SECONDS -lt {PATIENCE} ] || {{ tail -n 30 *.log; exit 1; }}; sleep 0.5",
                f"done; SECONDS=0; cat step-{number}.log",
            ]
    return "\n".join([*lines, "kill $(jobs -p); wait"])


def isolated() -> list[str]:
    """How to run a script in a network of its own; nothing where that is not allowed."""
    if shutil.which("unshare") and shutil.which("ip"):
        probe = subprocess.run([*NAMESPACE, "ip", "link", "set", "lo", "up"], capture_output=True, check=False)
        if probe.returncode == 0:
            return [*NAMESPACE, "bash", "-c", 'ip link set lo up; exec bash "$0"']
    return ["bash"]


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_the_walkthrough_works(tmp_path: Path) -> None:
    script = tmp_path / "driver.sh"
    script.write_text(driver(tmp_path))
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "HOME": str(tmp_path), "PATH": tools}
    done = subprocess.run(
        [*isolated(), str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"default +backend-1 .* Online ", done.stdout), done.stdout
    assert re.search(r"default +web-1 .* Online ", done.stdout), done.stdout
    assert "web-to-backend" in done.stdout


def test_targets_and_places_exist() -> None:
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z0-9]+)", README)) <= targets
    for place in re.findall(r"`((?:global_cp|zone_cp|kds|ursa|proto|deploy|bench|tests)/[\w./]*)`", README):
        assert (ROOT / place).exists(), place
    for target in re.findall(r"\]\(([\w./-]+)\)", README):
        assert (ROOT / target).exists(), target
