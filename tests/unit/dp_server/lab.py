"""A dataplane server on a real port, with a fake control plane behind it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
from aiohttp import web
from envoy.service.discovery.v3 import discovery_pb2

from kds.replicas.holdings import Holdings
from ursa.discovery.snapshot import ResourceSet, Snapshot, entry
from ursa.envoy.types import CLUSTER
from ursa.errors import Unauthenticated
from ursa.runtime.clock import SystemClock
from ursa.runtime.tls import ReloadedPair, ensure_self_signed
from zone_cp.dp_server.ads import SERVICE, AdsServer
from zone_cp.dp_server.node import NodeInfo
from zone_cp.dp_server.server import DpServer, DpServerSettings


def snapshot_of(type_url: str, **bodies: bytes) -> Snapshot:
    entries = [entry(type_url, name, body) for name, body in bodies.items()]
    return Snapshot({type_url: (ResourceSet.of(entries),)})


PATIENCE = 3.0
"""Seconds for a stream to say who it is."""


class FakeProxy:
    """What the lifecycle would be: holds a snapshot and remembers what it is told."""

    def __init__(self, node: NodeInfo, snapshot: Snapshot) -> None:
        self.node, self.snapshot = node, snapshot
        self.superseded = asyncio.Event()
        self.changed = asyncio.Event()
        self.told: list[tuple[object, ...]] = []
        self.closed = asyncio.Event()

    def publish(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.changed.set()

    async def next_snapshot(self, seen: Snapshot | None) -> Snapshot:
        while self.snapshot is seen:
            self.changed.clear()
            await self.changed.wait()
        return self.snapshot

    def sent(self, type_url: str, size: int) -> None:
        assert size > 0
        self.told.append(("sent", type_url))

    def settled(self) -> None:
        pass

    def acknowledged(self, type_url: str, version: str) -> None:
        self.told.append(("acknowledged", type_url, version))

    def rejected(self, type_url: str, version: str, reason: str, names: tuple[str, ...]) -> None:
        self.told.append(("rejected", type_url, reason, names))

    async def close(self) -> None:
        self.closed.set()


class Lab:
    """A running server with a fake control plane behind it."""

    def __init__(self, folder: Path) -> None:
        self.snapshot = snapshot_of(CLUSTER, backend=b"one")
        self.proxies: list[FakeProxy] = []
        self.files = ensure_self_signed(folder, SystemClock())
        self.holdings = Holdings()
        self.ads = AdsServer(self.attach, "cp-1", holdings=self.holdings, nack_backoff=0.1, patience=PATIENCE)
        settings = DpServerSettings(host="127.0.0.1", port=0, read_header_timeout=0.5)
        http = web.Application()
        http.router.add_post("/bootstrap", self.bootstrap)
        pair = ReloadedPair(self.files)
        self.server = DpServer(settings, pair, streams=[self.ads], http=http)
        self.port = 0

    async def bootstrap(self, request: web.Request) -> web.Response:
        return web.Response(text=await request.text())

    async def attach(self, node: NodeInfo, authorization: str, *, delta: bool) -> FakeProxy:
        if authorization == "wrong":
            raise Unauthenticated("authentication failed: token is revoked")
        for older in self.proxies:
            if older.node.id == node.id:
                older.superseded.set()
        self.proxies.append(FakeProxy(node, self.snapshot))
        return self.proxies[-1]

    def channel(self) -> grpc.aio.Channel:
        credentials = grpc.ssl_channel_credentials(self.files.cert.read_bytes())
        return grpc.aio.secure_channel(f"localhost:{self.port}", credentials)

    def sotw(self, channel: grpc.aio.Channel, **options: object) -> grpc.aio.StreamStreamCall:
        return channel.stream_stream(
            f"/{SERVICE}/StreamAggregatedResources",
            request_serializer=discovery_pb2.DiscoveryRequest.SerializeToString,
            response_deserializer=discovery_pb2.DiscoveryResponse.FromString,
        )(timeout=20, **options)

    def delta(self, channel: grpc.aio.Channel, **options: object) -> grpc.aio.StreamStreamCall:
        return channel.stream_stream(
            f"/{SERVICE}/DeltaAggregatedResources",
            request_serializer=discovery_pb2.DeltaDiscoveryRequest.SerializeToString,
            response_deserializer=discovery_pb2.DeltaDiscoveryResponse.FromString,
        )(timeout=20, **options)
