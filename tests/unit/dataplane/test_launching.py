"""How the launcher starts Envoy, and what it says while there is no bootstrap."""

from __future__ import annotations

import itertools
import logging
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.unit.runtime.test_tls_files import make_pair
from ursa.dataplane.bootstrap import BootstrapClient
from ursa.dataplane.envoy import command_line
from ursa.errors import Unavailable
from ursa.runtime.clock import SystemClock
from ursa.runtime.tls import ReloadedPair, server_context


@pytest.mark.parametrize(
    ("level", "components", "expected"),
    [
        ("info", "", "main:warning"),
        ("info", "upstream:debug", "upstream:debug"),
        ("debug", "", None),
    ],
)
def test_envoy_does_not_list_its_extensions_unless_asked(level: str, components: str, expected: str | None) -> None:
    arguments = command_line(
        "envoy", Path("c.yaml"), drain_time=1, log_level=level, component_log_level=components, concurrency=0
    )
    given = dict(itertools.pairwise(arguments))
    assert (given["--log-level"], given.get("--component-log-level")) == (level, expected)


@pytest.mark.parametrize(
    ("served_tls", "scheme", "advice"),
    [
        (True, "https", "give the authority that signed it with --ca-cert-file"),
        (True, "http", "does the address begin with https://?"),
        (False, "https", "is this the port of the data plane server"),
    ],
)
async def test_the_usual_mistakes_get_advice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, served_tls: bool, scheme: str, advice: str
) -> None:
    server = TestServer(web.Application(), scheme="https" if served_tls else "http")
    tls = server_context(ReloadedPair(make_pair(tmp_path))) if served_tls else None
    await server.start_server(ssl=tls)
    client = BootstrapClient(
        f"{scheme}://localhost:{server.port}",
        ca_cert="",
        skip_verify=False,
        backoff=1,
        patience=0.5,
        clock=SystemClock(),
    )
    caplog.set_level(logging.WARNING)
    try:
        with pytest.raises(Unavailable, match="no bootstrap from"):
            await client.fetch({})
    finally:
        await server.close()
    told = [vars(record)["error"] for record in caplog.records if record.name == "ursa.dataplane.bootstrap"]
    assert len(told) == 1 and advice in told[0]
