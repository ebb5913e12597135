"""What holds for every test: in CI a skipped test is a failure, because there everything it could need is present.

And what tests of several folders share: a mesh of real processes. Property tests are not judged by the clock: machines
are busy, and what must be fast is held by counts.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import AsyncIterator, Generator, Iterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.e2e.lab import Lab

settings.register_profile("ursa", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("ursa")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Whoever starts us in the background may have us ignore it, but a program under test that is asked to end must not
    # inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

STRICT = "TESTS_MUST_RUN"
"""Set to 1 where nothing may be skipped."""

SHARED = frozenset({"lab", "planes"})
"""Fixtures that start control planes for more than one test."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests run side by side, those that share control planes run in one process, or each would start its own."""
    for item in items:
        for name in SHARED.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group(name))


def pytest_collection_finish() -> None:
    """Lets the collector of garbage pass over what is there before the first test: it is a lot, and never garbage."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turns a skip into a failure; an expected failure is none."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get(STRICT) == "1":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, but {STRICT}=1: {_reason(report.longrepr)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for modules that skip themselves while they are read."""
    report = yield
    if report.outcome == "skipped" and os.environ.get(STRICT) == "1":
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} was skipped, but {STRICT}=1: {_reason(report.longrepr)}"
    return report


def _reason(longrepr: object) -> str:
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)


@pytest.fixture(scope="module", autouse=True)
def nothing_left_open() -> Iterator[None]:
    """Finds what the tests of a module have left open, which fails them: later it would fail anybody's."""
    yield
    gc.collect()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    """One mesh for all tests that leave it as they found it; started when the first of them asks."""
    from tests.e2e.lab import running  # most sessions never need it

    async with running(tmp_path_factory.mktemp("lab")) as started:
        yield started
