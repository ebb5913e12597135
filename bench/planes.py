"""The control planes under measurement, as separate processes, and what the kernel says they cost."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.servers.ports import free_port

PROCESS_CPU = 2
"""The kernel's number for the CPU time of all threads of a process (`CPUCLOCK_SCHED`)."""


@dataclass
class Plane:
    """One `ursa-cp run`."""

    process: subprocess.Popen[bytes]
    api: int
    diagnostics: int
    folder: Path
    xds: int = 0
    kds: int = 0

    @property
    def cpu(self) -> float:
        """CPU seconds used so far by all threads, to the nanosecond: what `clock_getcpuclockid` leads to."""
        return time.clock_gettime((~self.process.pid << 3) | PROCESS_CPU)

    @property
    def memory(self) -> int:
        """Resident bytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    @property
    def certificate(self) -> bytes:
        """The certificate its servers show."""
        return (self.folder / "kuma-cp.crt").read_bytes()

    def put(self, path: str, document: dict[str, object]) -> dict[str, str]:
        """Writes a resource; returns the answer's headers."""
        url = f"http://127.0.0.1:{self.api}{path}"
        request = urllib.request.Request(
            url, json.dumps(document).encode(), {"Content-Type": "application/json"}, method="PUT"
        )
        with urllib.request.urlopen(request) as response:
            return dict(response.headers)

    def get(self, path: str) -> dict[str, object]:
        """Reads a resource or list."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.api}{path}") as response:
            found: dict[str, object] = json.load(response)
            return found

    def counters(self) -> dict[str, float]:
        """Its own counters (`ursa_*`), and what it asked of its store by operation."""
        found: dict[str, float] = {}
        for sample in self._samples():
            if sample.name.startswith("ursa_"):
                found[sample.name.removeprefix("ursa_")] = sample.value
            elif sample.name == "store_count":
                name = f"store_{sample.labels['operation']}"
                found[name] = found.get(name, 0) + sample.value
        return found

    def store_calls(self) -> Counter[str]:
        """What it asked of its store by operation and kind."""
        calls = Counter[str]()
        for sample in self._samples():
            if sample.name == "store_count":
                calls[f"{sample.labels['operation']} {sample.labels['resource_type']}".strip()] += int(sample.value)
        return calls

    def _samples(self) -> list[Sample]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.diagnostics}/metrics") as response:
            text: str = response.read().decode()
        return [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def stop(self) -> None:
        """Ends the process."""
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


async def start_global(folder: Path, *, settings: Mapping[str, str] | None = None) -> Plane:
    """A global control plane with its store in `folder`, and with further settings by their variables."""
    kds = free_port()
    env = {"KUMA_MULTIZONE_GLOBAL_KDS_GRPC_PORT": str(kds), **(settings or {})}
    plane = await _start(folder / "global", ["--mode=global"], env)
    plane.kds = kds
    return plane


async def start_zone(folder: Path, name: str, kds: int | None, *, settings: Mapping[str, str] | None = None) -> Plane:
    """A zone control plane, below a global when its KDS port is given; proxies need no token unless settings say so."""
    xds = free_port()
    env = {
        "KUMA_MULTIZONE_ZONE_NAME": name,
        "KUMA_DP_SERVER_PORT": str(xds),
        "KUMA_MONITORING_ASSIGNMENT_SERVER_PORT": str(free_port()),
        "KUMA_DP_SERVER_AUTHN_DP_PROXY_TYPE": "none",
        # Longer than a thousand proxies on a busy machine need to come back, so that nobody is registered anew.
        "KUMA_XDS_DATAPLANE_DEREGISTRATION_DELAY": "120s",
    }
    if kds is not None:
        env["KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS"] = f"grpcs://127.0.0.1:{kds}"
        env["KUMA_MULTIZONE_ZONE_KDS_TLS_SKIP_VERIFY"] = "true"
    plane = await _start(folder / name, ["--mode=zone"], env | (settings or {}))
    plane.xds = xds
    return plane


async def _start(folder: Path, arguments: list[str], extra: dict[str, str]) -> Plane:
    folder.mkdir(parents=True, exist_ok=True)
    api, diagnostics = free_port(), free_port()
    env = {
        **os.environ,
        "KUMA_GENERAL_WORK_DIR": str(folder),
        "KUMA_API_SERVER_HTTP_PORT": str(api),
        "KUMA_API_SERVER_HTTPS_ENABLED": "false",
        "KUMA_DIAGNOSTICS_SERVER_PORT": str(diagnostics),
        "KUMA_INTER_CP_SERVER_PORT": str(free_port()),
        **extra,
    }
    command = [str(Path(sys.executable).parent / "ursa-cp"), "run", *arguments]
    with (folder / "log").open("ab") as log:
        process = await asyncio.to_thread(subprocess.Popen, command, env=env, stdout=log, stderr=log)
    plane = Plane(process, api, diagnostics, folder)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            await asyncio.to_thread(plane.get, "/")
        except OSError:
            if process.poll() is not None:
                break
            await asyncio.sleep(0.1)
        else:
            return plane
    raise SystemExit(f"control plane did not start:\n{(folder / 'log').read_text()[-2000:]}")
