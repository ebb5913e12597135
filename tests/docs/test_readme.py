"""The README is true: its walkthroughs work as written, what it names exists."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
MARKED = re.compile(r"<!-- walkthrough(?:: (?P<marks>[\w, ]+))? -->\n```sh\n(?P<text>.*?)```", re.DOTALL)
PATIENCE = 60
"""Seconds in which a step must succeed: what runs in the other terminals may still be starting."""

NAMESPACE = ("unshare", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
"""A network of its own, so that the README's ports are free, and an end for every process."""

ADDRESSES = {"global": "192.0.2.10", "east": "192.0.2.11"}
"""The hosts of the walkthrough through many zones; the first is the namespace in which the script runs."""


@dataclass(frozen=True, slots=True)
class Block:
    """What a reader types: on which host (none where there is but one), and whether it keeps its terminal."""

    host: str
    background: bool
    text: str


def blocks() -> list[Block]:
    """The walkthroughs' blocks, in the order of the README."""
    found = []
    for match in MARKED.finditer(README):
        marks = set((match["marks"] or "").split(", ")) - {""}
        hosts = marks - {"background"}
        assert hosts <= ADDRESSES.keys(), f"no such host: {hosts}"
        found.append(Block(next(iter(hosts), ""), "background" in marks, match["text"]))
    return found


def steps(folder: Path, walkthrough: Sequence[Block]) -> list[str]:
    """Shell lines that do what a reader does; a step of the reader's is repeated until it succeeds."""
    lines = []
    for number, block in enumerate(walkthrough):
        step = folder / f"step-{number}.sh"
        step.write_text("set -eu\n" + block.text)
        run = f"on_{block.host} bash {step}" if block.host else f"bash {step}"
        if block.background:
            lines.append(f"{run} >terminal-{number}.log 2>&1 &")
        else:
            lines += [
                f"until {run} >step-{number}.log 2>&1; do",
                f"  [ $SECONDS -lt {PATIENCE} ] || {{ tail -n 30 *.log; exit 1; }}; sleep 0.5",
                f"done; SECONDS=0; cat step-{number}.log",
            ]
    return lines


def two_hosts() -> list[str]:
    """Shell lines that make the second host and a cable to it, name both, and say how to run something on either."""
    here, there = ADDRESSES.values()
    return [
        f"printf '127.0.0.1 localhost\\n{here} global.example.com\\n{there} east\\n' >hosts",
        "mount --bind hosts /etc/hosts",
        "unshare --net sleep infinity & other=$!",
        "until [ $(readlink /proc/$other/ns/net) != $(readlink /proc/self/ns/net) ]; do sleep 0.1; done",
        "ip link add cable type veth peer name cable netns $other",
        f"ip address add {here}/24 dev cable; ip link set cable up",
        'on_global() { env HOME=$PWD/home-global "$@"; }',
        'on_east() { nsenter --net=/proc/$other/ns/net env HOME=$PWD/home-east "$@"; }',
        "mkdir home-global home-east",
        f"on_east ip link set lo up; on_east ip address add {there}/24 dev cable; on_east ip link set cable up",
    ]


def isolated() -> list[str]:
    """How to run a script in a network of its own; nothing where that is not allowed."""
    if shutil.which("unshare") and shutil.which("ip"):
        probe = subprocess.run([*NAMESPACE, "ip", "link", "set", "lo", "up"], capture_output=True, check=False)
        if probe.returncode == 0:
            return [*NAMESPACE, "bash", "-c", 'ip link set lo up; exec bash "$0"']
    return []


def walk(folder: Path, lines: Sequence[str], launcher: Sequence[str]) -> str:
    """Runs a script to its end, and returns what the reader saw."""
    script = folder / "driver.sh"
    script.write_text("\n".join(["set -u", *lines, "kill $(jobs -p); wait"]))
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "HOME": str(folder), "PATH": tools}
    done = subprocess.run(
        [*launcher, str(script)], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_the_first_mesh_works(tmp_path: Path) -> None:
    first_mesh = [block for block in blocks() if not block.host]
    seen = walk(tmp_path, steps(tmp_path, first_mesh), isolated() or ["bash"])
    assert re.search(r"default +backend-1 .* Online ", seen), seen
    assert re.search(r"default +web-1 .* Online ", seen), seen
    assert "web-to-backend" in seen


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_many_zones_work(tmp_path: Path) -> None:
    launcher = isolated()
    if not launcher:
        pytest.skip("two hosts need user and network namespaces (unshare, ip)")
    many_zones = [block for block in blocks() if block.host]
    seen = walk(tmp_path, [*two_hosts(), *steps(tmp_path, many_zones)], launcher)
    assert re.search(r"meshtimeout.patient \w+ \(revision \d+\): zones 1/1 stored", seen), seen
    assert re.search(r"^east +Online ", seen, re.MULTILINE), seen
    assert re.search(r"^ingress-1-\w+ +Online ", seen, re.MULTILINE), seen


def test_targets_and_places_exist() -> None:
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z0-9]+)", README)) <= targets
    for place in re.findall(r"`((?:global_cp|zone_cp|kds|ursa|proto|deploy|bench|tests)/[\w./]*)`", README):
        assert (ROOT / place).exists(), place
    for target in re.findall(r"\]\(([\w./-]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_metric_of_our_own_is_explained() -> None:
    sources = [file for room in ("ursa", "kds", "global_cp", "zone_cp") for file in (ROOT / room).rglob("*.py")]
    family = re.compile(
        r"""(?:Family|Histogram|Count|Summary)\(\s*f?"(ursa_\w+)"|^ +\(?"(ursa_\w+)", "[A-Z]""", re.MULTILINE
    )
    found = {one or other for file in sources for one, other in family.findall(file.read_text())}
    assert len(found) > 15, "the pattern still finds them"
    assert not {name for name in found if not re.search(rf"`{name}(_total)?`", README)}
