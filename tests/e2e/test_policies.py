"""What policies do to requests that pass real proxies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from deploy.demo.layout import BACKEND, WEB
from deploy.demo.waiting import fetch, until
from tests.e2e.lab import PORTS, TIMEOUT, Lab

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

PATIENCE = 60.0
SIDECARS = {"kind": "Mesh", "proxyTypes": ["Sidecar"]}
ANY = [{"match": {"kuma.io/service": "*"}}]
TO_BACKEND = [{"match": {"kuma.io/service": "backend", "kuma.io/protocol": "http"}}]


async def test_faults_are_made_for_clients_with_some_tags(lab: Lab) -> None:
    of_web = {"targetRef": {"kind": "MeshSubset", "tags": {"kuma.io/service": "web"}}, "default": _abort(418)}
    of_others = {"targetRef": {"kind": "Mesh"}, "default": _abort(500)}
    async with _applied(lab, _policy("MeshFaultInjection", {"targetRef": SIDECARS, "from": [of_others, of_web]})):
        await _answers(lab, 418)


async def test_faults_are_made_for_clients_with_some_certificate(lab: Lab) -> None:
    web, others = ([{"spiffeID": {"type": "Prefix", "value": f"spiffe://default/{s}"}}] for s in ("web", "other"))
    rules = [{"matches": others, "default": _abort(500)}, {"matches": web, "default": _abort(418)}]
    async with _applied(lab, _policy("MeshFaultInjection", {"targetRef": SIDECARS, "rules": rules})):
        await _answers(lab, 418)


async def test_faults_of_the_older_sort_are_made_for_their_sources(lab: Lab) -> None:
    conf = {"abort": {"httpStatus": 418, "percentage": 100}}
    async with _applied(lab, _connection_policy("FaultInjection", conf)):
        await _answers(lab, 418)


async def test_requests_beyond_a_rate_are_refused(lab: Lab) -> None:
    http = {"requestRate": {"num": 1, "interval": "1h"}, "onRateLimit": {"status": 423}}
    rules = [{"default": {"local": {"http": http}}}]
    async with _applied(lab, _policy("MeshRateLimit", {"targetRef": SIDECARS, "rules": rules})):
        await _answers(lab, 423)


async def test_requests_beyond_a_rate_of_the_older_sort_are_refused(lab: Lab) -> None:
    conf = {"http": {"requests": 1, "interval": "3600s", "onRateLimit": {"status": 423}}}
    async with _applied(lab, _connection_policy("RateLimit", conf)):
        await _answers(lab, 423)


async def test_connections_beyond_a_rate_are_closed(lab: Lab) -> None:
    rules = [{"default": {"local": {"tcp": {"connectionRate": {"num": 1, "interval": "1h"}}}}}]

    async def closed() -> bool:
        return await lab.say(b"hello") == b""

    async with _applied(lab, _policy("MeshRateLimit", {"targetRef": SIDECARS, "rules": rules})):
        await until("connections are closed", closed, PATIENCE)


async def test_endpoints_are_asked_for_their_health(lab: Lab) -> None:
    conf = {"interval": "0.2s", "timeout": "1s", "http": {"path": "/health"}}
    to = [{"targetRef": {"kind": "Mesh"}, "default": conf}]
    async with _applied(lab, _policy("MeshHealthCheck", {"to": to})):
        await until("endpoints answer", lambda: _asked(lab), PATIENCE)
        await _answers(lab, 200)


async def test_policies_of_the_older_sort_reach_outbounds_that_follow_routes(lab: Lab) -> None:
    route = _connection_policy("TrafficRoute", {"destination": {"kuma.io/service": "*"}}, ANY)
    check = {"interval": "0.2s", "timeout": "1s", "unhealthyThreshold": 3, "healthyThreshold": 1, "http": {"path": "/"}}
    others = [
        _connection_policy("HealthCheck", check, ANY),
        _connection_policy("CircuitBreaker", {"thresholds": {"maxConnections": 7}}, ANY),
        _connection_policy("Retry", {"http": {"numRetries": 2}}, ANY),
        _connection_policy("Timeout", {"http": {"requestTimeout": "5s"}}, ANY),
    ]
    for document in others:
        await lab.put(document)
    try:
        async with _applied(lab, route):
            await until("endpoints answer", lambda: _asked(lab), PATIENCE)
            await _answers(lab, 200)
    finally:
        for document in others:
            await lab.delete(document)


async def test_inbounds_may_take_clients_without_mesh_tls(lab: Lab) -> None:
    assert await _plainly(lab) == 0
    async with _applied(
        lab, _policy("MeshTLS", {"targetRef": SIDECARS, "rules": [{"default": {"mode": "Permissive"}}]})
    ):

        async def let_in() -> bool:
            return await _plainly(lab) == 200

        await until("a stranger to the mesh is let in", let_in, PATIENCE)
        await _answers(lab, 200)


async def test_both_ends_agree_on_a_version_of_tls(lab: Lab) -> None:
    def handshakes(stats: dict[str, int]) -> int:
        return sum(count for name, count in stats.items() if "TLSv1.3" in name)

    before = handshakes(await lab.stats("backend-east", "ssl.versions"))
    conf = {"tlsVersion": {"min": "TLS13", "max": "TLS13"}}
    async with _applied(lab, _policy("MeshTLS", {"targetRef": {"kind": "Mesh"}, "rules": [{"default": conf}]})):

        async def agreed() -> bool:
            answered = (await lab.get("backend")).status == 200
            return answered and handshakes(await lab.stats("backend-east", "ssl.versions")) > before

        await until("version 1.3 is spoken", agreed, PATIENCE)


async def test_requests_are_written_down_by_both_ends(lab: Lab, tmp_path: Path) -> None:
    form = {"type": "Plain", "plain": "%KUMA_TRAFFIC_DIRECTION% %KUMA_SOURCE_SERVICE% %RESPONSE_CODE%"}
    path = tmp_path / "access.log"
    conf = {"backends": [{"type": "File", "file": {"path": str(path), "format": form}}]}
    items = {
        "to": [{"targetRef": {"kind": "Mesh"}, "default": conf}],
        "from": [{"targetRef": {"kind": "Mesh"}, "default": conf}],
    }

    async def written() -> bool:
        await lab.get("backend")
        lines = path.read_text().splitlines() if path.exists() else []
        return {"OUTBOUND web 200", "INBOUND unknown 200"} <= set(lines)

    async with _applied(lab, _policy("MeshAccessLog", items)):
        await until("both ends have written", written, PATIENCE)


async def test_lines_reach_a_collector_over_tcp(lab: Lab) -> None:
    got = bytearray()

    async def collect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(4096):
            got.extend(chunk)
        writer.close()

    async def arrived() -> bool:
        await lab.get("backend")
        return b"from web\n" in got

    async with await asyncio.start_server(collect, lab.east.address(WEB), 0) as server:
        host, port = server.sockets[0].getsockname()
        form = {"type": "Plain", "plain": "from %KUMA_SOURCE_SERVICE%"}
        backend = {"type": "Tcp", "tcp": {"address": f"{host}:{port}", "format": form}}
        to = [{"targetRef": {"kind": "Mesh"}, "default": {"backends": [backend]}}]
        async with _applied(lab, _policy("MeshAccessLog", {"to": to})):
            await until("a line has arrived", arrived, PATIENCE)


async def test_spans_of_requests_reach_a_collector(lab: Lab) -> None:
    names: set[str] = set()

    async def collect(request: web.Request) -> web.Response:
        names.update(span["localEndpoint"]["serviceName"] for span in await request.json())
        return web.Response(status=202)

    async def reported() -> bool:
        await lab.get("backend")
        return "web" in names

    application = web.Application()
    application.router.add_post("/api/v2/spans", collect)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, lab.east.address(WEB), 0)
    await site.start()
    try:
        host, port = runner.addresses[0]
        backend = {"type": "Zipkin", "zipkin": {"url": f"http://{host}:{port}/api/v2/spans"}}
        async with _applied(lab, _policy("MeshTrace", {"default": {"backends": [backend]}})):
            await until("spans are reported", reported, PATIENCE)
    finally:
        await runner.cleanup()


async def _plainly(lab: Lab) -> int:
    """What an inbound answers to somebody outside of the mesh, 0 when it closes the connection."""
    url = f"http://{lab.east.address(BACKEND)}:{PORTS['backend']}/"
    try:
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session, session.get(url) as answer:
            return answer.status
    except aiohttp.ClientError:
        return 0


async def _asked(lab: Lab) -> bool:
    return sum((await lab.stats("web", "cluster.backend.health_check.success")).values()) > 0


@asynccontextmanager
async def _applied(lab: Lab, document: dict[str, Any]) -> AsyncIterator[None]:
    """A policy that counts while the context is open."""
    await lab.put(document)
    try:
        yield
    finally:
        await lab.delete(document)
    await _answers(lab, 200)

    async def echoed() -> bool:
        return await lab.say(b"hello") == b"east:hello"

    await until("bytes are echoed", echoed, PATIENCE)


async def test_configuration_is_changed_by_hand_and_stays_when_a_change_is_refused(lab: Lab) -> None:
    header = {
        "match": {"origin": "outbound"},
        "value": "requestHeadersToAdd: [{header: {key: x-by-hand, value: 'yes'}}]",
    }
    router = "'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
    behind_the_last = {"operation": "AddLast", "value": f"name: envoy.filters.http.router\ntypedConfig: {{{router}}}"}
    good, bad = {"virtualHost": {"operation": "Patch", **header}}, {"httpFilter": behind_the_last}

    def patches(*modifications: dict[str, Any]) -> dict[str, Any]:
        return _policy("MeshProxyPatch", {"targetRef": SIDECARS, "default": {"appendModifications": modifications}})

    async def marked() -> bool:
        return (await lab.get("backend")).document.get("headers", {}).get("x-by-hand") == "yes"

    async def refused() -> bool:
        counted = (await fetch(f"http://127.0.0.1:{lab.east.diagnostics_port}/metrics") or b"").decode()
        return any(line.startswith("xds_requests_received{") and "NACK" in line for line in counted.splitlines())

    async with _applied(lab, patches(good)):
        await until("requests are marked", marked, PATIENCE)
        await lab.put(patches(good, bad))
        await until("proxies refuse", refused, PATIENCE)
        assert await marked()


async def _answers(lab: Lab, status: int) -> None:
    async def answered() -> bool:
        return (await lab.get("backend")).status == status

    await until(f"the backend answers {status}", answered, PATIENCE)


def _policy(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "mesh": "default", "name": "tried", "spec": spec}


def _connection_policy(
    kind: str, conf: dict[str, Any], destinations: list[dict[str, Any]] = TO_BACKEND
) -> dict[str, Any]:
    sources = [{"match": {"kuma.io/service": "web"}}]
    return {
        "type": kind,
        "mesh": "default",
        "name": "tried",
        "sources": sources,
        "destinations": destinations,
        "conf": conf,
    }


def _abort(status: int) -> dict[str, Any]:
    return {"http": [{"abort": {"httpStatus": status, "percentage": 100}}]}
