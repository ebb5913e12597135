"""Whatever is sent to a control plane, as its own description allows it or not, is answered and never by a failure."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok

from bench.planes import start_zone

EXAMPLES = 2
"""Requests per call and sort; there are some three hundred calls."""


def aim(case: schemathesis.Case) -> None:
    """Lets a request pass the door: it is about a mesh that is there, and path and body agree on the object."""
    for name, value in (("mesh", "default"), ("name", "x")):
        if name in (case.path_parameters or {}):
            case.path_parameters[name] = value
            if isinstance(case.body, dict):
                case.body[name] = value


def failures_of(address: str) -> tuple[int, list[str]]:
    """Sends generated requests to every call; answers how many there were and which were answered by a failure."""
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    failed: list[str] = []
    sent = 0
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def send(case: schemathesis.Case) -> None:
            nonlocal sent
            aim(case)
            response = case.call()
            sent += 1
            if response.status_code >= 500:
                failed.append(f"{response.status_code} {case.method} {case.formatted_path} {case.query} {case.body}")

        send()
    return sent, failed


@pytest.mark.e2e
@pytest.mark.timeout(300)
async def test_no_request_is_answered_by_a_failure(tmp_path: Path) -> None:
    plane = await start_zone(tmp_path, "east", None, settings={"KUMA_STORE_TYPE": "memory"})
    try:
        sent, failed = await asyncio.to_thread(failures_of, f"http://127.0.0.1:{plane.api}")
    finally:
        plane.process.terminate()
        await asyncio.to_thread(plane.process.wait)
    assert not failed
    assert sent > 300
