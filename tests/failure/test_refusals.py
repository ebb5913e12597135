"""A real Envoy that refuses something gets everything else, and what it refused once it can take it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2
from google.protobuf.json_format import ParseDict

from tests.servers.ports import free_port
from tests.unit.dp_server.lab import FakeProxy, Lab
from ursa.dataplane.envoy import find
from ursa.discovery.snapshot import ResourceSet, Snapshot, entry
from ursa.envoy.types import CLUSTER, ENDPOINT, LISTENER

BAD = {"name": "bad", "clusterType": {"name": "there.is.no.such.type"}}
MESSAGES = {
    CLUSTER: cluster_pb2.Cluster,
    ENDPOINT: endpoint_pb2.ClusterLoadAssignment,
    LISTENER: listener_pb2.Listener,
}
assert tcp_proxy_pb2  # listeners hold it as an Any, which only parses when its type is known


def cluster(name: str) -> dict[str, Any]:
    source = {"ads": {}, "resourceApiVersion": "V3"}
    return {"name": name, "type": "EDS", "connectTimeout": "1s", "edsClusterConfig": {"edsConfig": source}}


def address(port: int) -> dict[str, Any]:
    return {"socketAddress": {"address": "127.0.0.1", "portValue": port}}


def assignment(name: str, port: int) -> dict[str, Any]:
    endpoint = {"lbEndpoints": [{"endpoint": {"address": address(port)}}]}
    return {"clusterName": name, "endpoints": [endpoint]}


def listener(name: str, port: int, to: str) -> dict[str, Any]:
    config = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "statPrefix": name,
        "cluster": to,
    }
    chain = {"filters": [{"name": "envoy.filters.network.tcp_proxy", "typedConfig": config}]}
    return {"name": name, "address": address(port), "filterChains": [chain]}


def snapshot(**types: list[dict[str, Any]]) -> Snapshot:
    """Clusters, assignments and listeners as Envoy reads them."""
    layers = {}
    for type_url, documents in zip((CLUSTER, ENDPOINT, LISTENER), types.values(), strict=True):
        made = [ParseDict(document, MESSAGES[type_url]()) for document in documents]
        names = [document.get("name") or document["clusterName"] for document in documents]
        entries = [entry(type_url, n, m.SerializeToString()) for n, m in zip(names, made, strict=True)]
        layers[type_url] = (ResourceSet.of(entries),)
    return Snapshot(layers)


def bootstrap(lab: Lab, admin: int, *, delta: bool) -> dict[str, Any]:
    tls = {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": "localhost",
        "commonTlsContext": {"validationContext": {"trustedCa": {"filename": str(lab.files.cert)}}},
    }
    http2 = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicitHttpConfig": {"http2ProtocolOptions": {}},
    }
    ads = {
        "name": "ads",
        "type": "STATIC",
        "typedExtensionProtocolOptions": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
        "loadAssignment": assignment("ads", lab.port),
        "transportSocket": {"name": "envoy.transport_sockets.tls", "typedConfig": tls},
    }
    source = {"ads": {}, "resourceApiVersion": "V3"}
    return {
        "node": {"id": "default.web", "cluster": "web", "metadata": {}},
        "admin": {"address": address(admin)},
        "dynamicResources": {
            "adsConfig": {
                "apiType": "DELTA_GRPC" if delta else "GRPC",
                "transportApiVersion": "V3",
                "setNodeOnFirstMessageOnly": True,
                "grpcServices": [{"envoyGrpc": {"clusterName": "ads"}}],
            },
            "cdsConfig": source,
            "ldsConfig": source,
        },
        "staticResources": {"clusters": [ads]},
    }


@asynccontextmanager
async def envoy(lab: Lab, folder: Path, *, delta: bool) -> AsyncIterator[None]:
    config = folder / "envoy.json"
    config.write_text(json.dumps(bootstrap(lab, free_port(), delta=delta)))
    with (folder / "envoy.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(find("envoy"), "-c", str(config), "--use-dynamic-base-id", "--concurrency", "1"), stdout=log, stderr=log
        )
        try:
            yield
        finally:
            process.terminate()
            await process.wait()


async def until(holds: Callable[[], object], folder: Path) -> None:
    for _ in range(600):
        if await asyncio.to_thread(holds):
            return
        await asyncio.sleep(0.05)
    raise AssertionError((folder / "envoy.log").read_text()[-4000:])


def answers(port: int) -> bool:
    """Whether what a listener leads to says something."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            return connection.recv(10) == b"hello"
    except OSError:
        return False


def refusals(proxy: FakeProxy, type_url: str) -> list[tuple[str, ...]]:
    """Who was blamed, refusal by refusal."""
    return [told[3] for told in proxy.told if told[:2] == ("rejected", type_url)]  # type: ignore[misc]


async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    await writer.drain()
    writer.close()


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "state of the world"])
async def test_a_refusal_holds_nothing_else_and_ends_when_its_cause_is_gone(tmp_path: Path, delta: bool) -> None:
    lab = Lab(tmp_path)
    workload = await asyncio.start_server(greet, "127.0.0.1", 0)
    endpoint = assignment("web", workload.sockets[0].getsockname()[1])
    taken = socket.create_server(("127.0.0.1", 0))
    busy, free, more = taken.getsockname()[1], free_port(), free_port()
    both = [listener("busy", busy, "web"), listener("free", free, "web")]
    lab.snapshot = snapshot(clusters=[BAD, cluster("web")], assignments=[endpoint], listeners=both)
    lab.port = await lab.server.start()
    try:
        async with envoy(lab, tmp_path, delta=delta):
            # One cluster is of a type that nobody knows, one listener's port is taken; the others serve.
            await until(lambda: answers(free), tmp_path)
            proxy = lab.proxies[0]
            await until(lambda: refusals(proxy, CLUSTER) and refusals(proxy, LISTENER), tmp_path)
            # News pass what is refused.
            lab.snapshot = snapshot(
                clusters=[BAD, cluster("web"), cluster("other")],
                assignments=[endpoint, endpoint | {"clusterName": "other"}],
                listeners=[*both, listener("more", more, "other")],
            )
            proxy.publish(lab.snapshot)
            await until(lambda: answers(more), tmp_path)
            assert set(refusals(proxy, CLUSTER)) == {("bad",)}
            assert set(refusals(proxy, LISTENER)) == {("busy",)}
            # Nobody publishes anything: the port is free, and that is enough.
            taken.close()
            await until(lambda: answers(busy), tmp_path)
            # What was wrong is mended.
            proxy.publish(
                snapshot(
                    clusters=[cluster("bad"), cluster("web")],
                    assignments=[endpoint, endpoint | {"clusterName": "bad"}],
                    listeners=[listener("busy", busy, "bad"), listener("free", free, "web")],
                )
            )
            await until(lambda: answers(busy) and not answers(more), tmp_path)
            assert len(lab.proxies) == 1
    finally:
        await lab.server.close(1)
        workload.close()
        taken.close()


@pytest.mark.parametrize("delta", [True, False], ids=["delta", "state of the world"])
async def test_a_refusal_that_names_nobody_is_narrowed_down(tmp_path: Path, delta: bool) -> None:
    lab = Lab(tmp_path)
    workload = await asyncio.start_server(greet, "127.0.0.1", 0)
    good = workload.sockets[0].getsockname()[1]
    ports = {f"web-{number}": free_port() for number in range(6)}
    bad = "web-2"
    clusters, listeners = [cluster(n) for n in ports], [listener(n, port, n) for n, port in ports.items()]
    # Of an address that is none Envoy says only that, and applies nothing behind it.
    endpoints = [assignment(name, good) for name in ports]
    broken = json.loads(json.dumps(endpoints).replace("127.0.0.1", "nowhere"))
    mixed = [broken[number] if name == bad else endpoints[number] for number, name in enumerate(ports)]
    lab.snapshot = snapshot(clusters=clusters, assignments=mixed, listeners=listeners)
    lab.port = await lab.server.start()
    try:
        async with envoy(lab, tmp_path, delta=delta):
            await until(lambda: all(answers(port) for name, port in ports.items() if name != bad), tmp_path)
            blamed = refusals(lab.proxies[0], ENDPOINT)
            assert len(blamed[0]) > 1
            await until(lambda: (bad,) in refusals(lab.proxies[0], ENDPOINT), tmp_path)
            lab.proxies[0].publish(snapshot(clusters=clusters, assignments=endpoints, listeners=listeners))
            await until(lambda: answers(ports[bad]), tmp_path)
            assert len(lab.proxies) == 1
    finally:
        await lab.server.close(1)
        workload.close()
