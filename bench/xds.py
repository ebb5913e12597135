"""`make bench`: a global, a zone and many fake proxies; prints one JSON document (see `README.md` beside this file)."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.fake_proxies import DeltaProxy, FakeProxy, SotwProxy, fleet
from bench.planes import start_global, start_zone
from bench.scenarios import Scenarios

VARIANTS: dict[str, Callable[..., FakeProxy]] = {"delta": DeltaProxy, "sotw": SotwProxy}

FIRST_STATUS = 20.0
"""Seconds after a storm in which the zone writes what became of the new proxies, which is not the cost of a change."""

SETTLING = 75.0
"""Seconds before idleness is measured: what is known of proxies but not urgent is written a minute after it changed."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to run."""

    proxies: int
    services: int
    idle: float
    variant: str


async def measure(options: Options) -> dict[str, object]:
    """Runs all scenarios once."""
    with tempfile.TemporaryDirectory(prefix="ursa-bench-") as folder:
        top = await start_global(Path(folder))
        zone = await start_zone(Path(folder), "east", top.kds)
        try:
            proxies = fleet(options.proxies, options.services, VARIANTS[options.variant])
            return await _run(Scenarios(top, zone, proxies, options.services), options)
        finally:
            zone.stop()
            top.stop()


async def _run(scenarios: Scenarios, options: Options) -> dict[str, object]:
    results: dict[str, object] = {
        "proxies": options.proxies,
        "services": options.services,
        "variant": options.variant,
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "arch": platform.machine()},
    }
    await scenarios.prepare()
    results["connect_storm"] = await scenarios.connect()
    await asyncio.sleep(FIRST_STATUS)
    results["endpoint_change"] = await scenarios.endpoint_change()
    results["policy_change"] = await scenarios.policy_change()
    results["propagation"] = await scenarios.propagation()
    results["memory_mb"] = scenarios.memory()
    await asyncio.sleep(SETTLING)
    results["idle_per_minute"] = await scenarios.idle(options.idle)
    results["reconnect"] = await scenarios.reconnect()
    results["memory_after_reconnect_mb"] = scenarios.memory()
    await scenarios.disconnect()
    return results


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--proxies", type=int, default=1000)
    parser.add_argument("--services", type=int, default=50)
    parser.add_argument("--idle", type=float, default=60, help="seconds of idleness to measure")
    parser.add_argument("--variant", choices=sorted(VARIANTS), default="delta")
    options = Options(**vars(parser.parse_args()))
    print(json.dumps(asyncio.run(measure(options)), indent=1))


if __name__ == "__main__":
    main()
