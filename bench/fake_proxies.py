"""Proxies without Envoy: they connect, subscribe as Envoy does over incremental xDS, acknowledge, and note when.

They decode only what they need (type, nonce, names), because they share the machine with what is measured.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import grpc
from envoy.config.core.v3.base_pb2 import Node
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse
from google.protobuf.struct_pb2 import Struct

from ursa.envoy import types

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"

OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.ssl_target_name_override", "localhost"),
)


@dataclass(eq=False)
class FakeProxy:
    """One simulated sidecar.

    Attributes:
        endpoints: load assignments it was given so far, by name.
        last: by type, the time of the newest response (`time.monotonic`).
        responses: how many it got.
        rejected: whether anything it expected went wrong.
    """

    mesh: str
    name: str
    resource: dict[str, object]
    endpoints: set[str] = field(default_factory=set)
    subscribed: set[str] = field(default_factory=set)
    last: dict[str, float] = field(default_factory=dict)
    responses: int = 0
    versions: dict[str, str] = field(default_factory=dict)

    async def run(self, address: str, ca: bytes) -> None:
        """Connects and follows until cancelled."""
        credentials = grpc.ssl_channel_credentials(ca)
        async with grpc.aio.secure_channel(address, credentials, options=OPTIONS) as channel:
            call = channel.stream_stream(METHOD)(metadata=(("authorization", "none"),))
            await self._subscribe(call)
            async for message in _messages(call):
                await self._take(call, DeltaDiscoveryResponse.FromString(message))

    async def _subscribe(self, call: grpc.aio.StreamStreamCall) -> None:
        first = DeltaDiscoveryRequest(node=self._node(), type_url=types.CLUSTER)
        await call.write(first.SerializeToString())
        await call.write(DeltaDiscoveryRequest(type_url=types.LISTENER).SerializeToString())

    async def _take(self, call: grpc.aio.StreamStreamCall, response: DeltaDiscoveryResponse) -> None:
        self.last[response.type_url] = time.monotonic()
        self.responses += 1
        ack = DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
        await call.write(ack.SerializeToString())
        names = [resource.name for resource in response.resources]
        self.versions |= {f"{response.type_url}/{r.name}": r.version for r in response.resources}
        if response.type_url == types.ENDPOINT:
            self.endpoints.update(names)
        elif response.type_url == types.CLUSTER:
            fresh = {n for n in names if not n.startswith(("localhost:", "kuma:"))} - self.subscribed
            if fresh:
                self.subscribed |= fresh
                wanted = DeltaDiscoveryRequest(type_url=types.ENDPOINT, resource_names_subscribe=sorted(fresh))
                await call.write(wanted.SerializeToString())

    def _node(self) -> Node:
        metadata = Struct()
        metadata.update(
            {
                "dataplane.proxyType": "dataplane",
                "dataplane.resource": json.dumps(self.resource),
                "dataplane.admin.port": "9901",
                "dataplane.readinessReporter.port": "9902",
                "features": ["feature-readiness-unix-socket", "feature-reuse-port"],
                "workdir": f"/tmp/{self.name}",
                "version": {"kumaDp": {"version": "2.13.10"}, "envoy": {"version": "1.37.0"}},
            }
        )
        return Node(id=f"{self.mesh}.{self.name}", cluster="bench", metadata=metadata)


async def _messages(call: grpc.aio.StreamStreamCall) -> object:
    while (message := await call.read()) is not grpc.aio.EOF:
        yield message


def fleet(count: int, services: int, mesh: str = "default") -> list[FakeProxy]:
    """Proxies spread evenly over services, each of which may reach all services."""
    return [
        FakeProxy(
            mesh,
            f"dp-{i}",
            dataplane(f"dp-{i}", f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}", i % services, range(services), mesh),
        )
        for i in range(count)
    ]


def dataplane(
    name: str, address: str, service: int, reaches: Iterable[int], mesh: str = "default"
) -> dict[str, object]:
    """A Dataplane of `svc-<service>` with an outbound per service it reaches."""
    return {
        "type": "Dataplane",
        "mesh": mesh,
        "name": name,
        "networking": {
            "address": address,
            "inbound": [
                {"port": 8080, "tags": {"kuma.io/service": f"svc-{service}", "kuma.io/protocol": "http"}},
            ],
            "outbound": [{"port": 10000 + s, "tags": {"kuma.io/service": f"svc-{s}"}} for s in reaches],
        },
    }


async def settled(proxies: Iterable[FakeProxy], quiet: float = 1.0, timeout: float = 300.0) -> None:
    """Returns when no proxy got anything for some seconds."""
    everyone = list(proxies)
    async with asyncio.timeout(timeout):
        while True:
            before = sum(p.responses for p in everyone)
            await asyncio.sleep(quiet)
            if sum(p.responses for p in everyone) == before:
                return
