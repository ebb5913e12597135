"""Metrics of real Envoys and of applications beside them, as those see them who read them or have them sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import grpc
import pytest
from aiohttp import web
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from deploy.demo import manifests
from deploy.demo.layout import WEB
from deploy.demo.waiting import fetch, until
from tests.e2e.lab import APPS, SPARE, Lab

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

PATIENCE = 30.0
PORT, APPLICATION = 5690, 5691
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@asynccontextmanager
async def application(lab: Lab) -> AsyncIterator[str]:
    """Shows one metric; the value is its address."""

    async def answer(_: web.Request) -> web.Response:
        body = b'# TYPE orders counter\norders_total{mesh="its-own"} 3\n# EOF\n'
        return web.Response(body=body, headers={"content-type": OPEN_METRICS})

    app = web.Application()
    app.router.add_get("/stats", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    address = lab.east.address(WEB + APPS)
    await web.TCPSite(runner, address, APPLICATION).start()
    yield address
    await runner.cleanup()


@asynccontextmanager
async def collector(lab: Lab, got: list[ExportMetricsServiceRequest]) -> AsyncIterator[str]:
    """Takes what is sent; the value is where."""

    async def export(body: ExportMetricsServiceRequest, _: Any) -> ExportMetricsServiceResponse:
        got.append(body)
        return ExportMetricsServiceResponse()

    handler = grpc.unary_unary_rpc_method_handler(
        export,
        request_deserializer=ExportMetricsServiceRequest.FromString,
        response_serializer=ExportMetricsServiceResponse.SerializeToString,
    )
    service = "opentelemetry.proto.collector.metrics.v1.MetricsService"
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": handler}),))
    address = lab.east.address(WEB + APPS)
    port = server.add_insecure_port(f"{address}:0")
    await server.start()
    yield f"{address}:{port}"
    await server.stop(None)


def mesh_metric(*backends: dict[str, Any], **conf: Any) -> dict[str, Any]:
    target = {"kind": "MeshSubset", "tags": {"kuma.io/service": "web"}}
    spec = {"targetRef": target, "default": {"backends": list(backends), **conf}}
    return {"type": "MeshMetric", "mesh": "default", "name": "of-web", "spec": spec}


async def read(lab: Lab, host: int, port: int, accept: str = "text/plain") -> tuple[str, str]:
    """What a reader gets, with its content type; nothing where nobody listens."""
    url = f"http://{lab.east.address(host)}:{port}/metrics"
    try:
        async with aiohttp.ClientSession() as session, session.get(url, headers={"accept": accept}) as answer:
            return (await answer.text(), answer.headers["content-type"]) if answer.status == 200 else ("", "")
    except aiohttp.ClientConnectorError:
        return "", ""


async def targets(lab: Lab) -> dict[str, str]:
    """What Prometheus is told to read in the east."""
    url = f"http://127.0.0.1:{lab.east.monitoring_port}/v3/discovery:monitoringassignments"
    async with aiohttp.ClientSession() as session, session.post(url, json={"node": {"id": "prometheus"}}) as answer:
        found = await answer.json()
    return {target["name"]: target["address"] for one in found["resources"] for target in one["targets"]}


def shows(lab: Lab, wanted: Callable[[str], bool]) -> Callable[[], Any]:
    async def look() -> bool:
        return wanted((await read(lab, WEB, PORT))[0])

    return look


async def test_mesh_metric_shows_and_sends_and_may_change(lab: Lab) -> None:
    got: list[ExportMetricsServiceRequest] = []
    reader = {"type": "Prometheus", "prometheus": {"port": PORT}}
    async with application(lab) as address, collector(lab, got) as endpoint:
        sent = {"type": "OpenTelemetry", "openTelemetry": {"endpoint": endpoint, "refreshInterval": "500ms"}}
        beside = [{"port": APPLICATION, "path": "/stats", "address": address}]
        policy = mesh_metric(reader, sent, applications=beside)
        try:
            await lab.put(policy)
            await lab.get("backend")
            await until("metrics are shown", shows(lab, lambda text: "orders_total" in text), PATIENCE)
            text, content_type = await read(lab, WEB, PORT)
            assert content_type.startswith("text/plain; version=0.0.4")
            live = next(line for line in text.splitlines() if line.startswith("envoy_server_live{"))
            assert 'dataplane="web"' in live
            assert 'kuma_io_service="web"' in live
            assert 'orders_total{mesh="its-own",dataplane="web"' in text
            assert "kuma_dp_envoyconfigfetcher_handler_call_count" in text
            assert 'kuma_io_mesh_traffic="true"' in text
            assert "envoy_cluster_version" not in text
            await until("metrics are sent", lambda: _sent(got, "orders"), PATIENCE)
            names = {metric.name for metric in got[-1].resource_metrics[0].instrumentation_library_metrics[0].metrics}
            assert "envoy_server_live" in names

            profiles = {
                "appendProfiles": [{"name": "None"}],
                "include": [{"type": "Prefix", "match": "envoy_cluster_ver"}],
            }
            await lab.put(mesh_metric(reader, sidecar={"profiles": profiles}))
            await until("the change has arrived", shows(lab, _only_versions), PATIENCE)
        finally:
            await lab.delete(policy)
    await until("nothing is shown", shows(lab, lambda text: not text), PATIENCE)


async def test_mesh_shows_metrics_of_envoy_and_of_applications(lab: Lab) -> None:
    token = await lab.deployment.token("shown", "dataplane-token", "--name", "shown")
    async with application(lab) as beside:
        conf = {
            "port": PORT,
            "tls": {"mode": "disabled"},
            "envoy": {"filterRegex": "server.live", "usedOnly": True},
            "aggregate": [{"name": "orders", "port": APPLICATION, "path": "/stats", "address": beside}],
        }
        backend = {"name": "prometheus", "type": "prometheus", "conf": conf}
        (mesh,) = [one for one in manifests.mesh() if one["type"] == "Mesh"]
        try:
            await lab.put({**mesh, "metrics": {"enabledBackend": "prometheus", "backends": [backend]}})
            await until("the mesh has arrived", lambda: _has_metrics(lab), PATIENCE)
            await lab.deployment.start_proxy(lab.east, lab.client("shown", SPARE), "dataplane", token)
            await lab.deployment.until_ready(lab.east, "shown", SPARE)
            text, content_type = await read(lab, SPARE, PORT, OPEN_METRICS)
            assert content_type == OPEN_METRICS
            assert text.endswith('orders_total{mesh="its-own"} 3\n# EOF\n')
            assert "envoy_server_live" in text
            assert "envoy_cluster" not in text
            assert (await targets(lab))["shown"] == f"{lab.east.address(SPARE)}:{PORT}"
        finally:
            await lab.put(mesh)
            if "shown" in lab.processes:
                await lab.processes.kill("shown")


async def test_zone_counts_what_it_says_to_proxies(lab: Lab) -> None:
    body = await fetch(f"http://127.0.0.1:{lab.east.diagnostics_port}/metrics")
    lines = [line for line in (body or b"").decode().splitlines() if not line.startswith("#")]
    counted = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def total(name: str, *labels: str) -> float:
        return sum(v for n, v in counted.items() if n.startswith(f"{name}{{") and all(one in n for one in labels))

    listeners = 'type_url="type.googleapis.com/envoy.config.listener.v3.Listener"'
    assert total("xds_generation_count", 'proxy_type="dataplane"', 'result="changed"') > 0
    assert total("xds_generation_count", 'proxy_type="egress"') > 0
    assert total("xds_responses_sent", listeners) >= total("xds_requests_received", listeners, 'confirmation="ACK"') > 0
    assert total("xds_responses_sent_bytes_sum", listeners) > 1000
    assert total("xds_delivery_count") > 0
    assert total("xds_streams_active") == total("xds_client_versions") >= 5
    assert total("cert_generation", 'mesh="default"') > 0
    assert total("ca_manager_get_cert_count") > 0
    assert total("hds_streams_active") > 0
    assert total("hds_requests_received") > 0
    ads = 'grpc_service="envoy.service.discovery.v3.AggregatedDiscoveryService"'
    assert total("grpc_server_started_total", ads) >= total("xds_streams_active")
    assert total("grpc_server_msg_sent_total", ads) == total("xds_responses_sent")
    assert total("dp_server_http_request_duration_seconds_count", 'handler="/bootstrap"') > 0


async def _sent(got: list[ExportMetricsServiceRequest], name: str) -> bool:
    return bool(got) and any(
        metric.name == name
        for scope in got[-1].resource_metrics[0].instrumentation_library_metrics
        for metric in scope.metrics
    )


def _only_versions(text: str) -> bool:
    return "envoy_cluster_version" in text and "envoy_server_live" not in text and "orders" not in text


async def _has_metrics(lab: Lab) -> bool:
    found = await lab.zone_resource(lab.east, "meshes/default")
    return found is not None and "metrics" in found
