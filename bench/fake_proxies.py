"""Proxies without Envoy: they connect, subscribe in Envoy's order, acknowledge, and note what came when.

They decode only what they need (type, nonce, names, versions), because they share the machine with what is measured.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import grpc
from envoy.config.core.v3.base_pb2 import Node
from envoy.service.discovery.v3 import discovery_pb2 as pb
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from ursa.envoy import types
from ursa.planner import names

SERVICE = "/envoy.service.discovery.v3.AggregatedDiscoveryService"

OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.ssl_target_name_override", "localhost"),
)

BACKOFF = (0.5, 30.0)
"""Seconds: Envoy's first and longest wait before it connects again."""


@dataclass(eq=False)
class FakeProxy(ABC):
    """One simulated sidecar of a mesh with mTLS; its knowledge survives a reconnect, as Envoy's does.

    Attributes:
        held: by type, name and version of every resource it has.
        seen: by type, when the newest response came (`time.monotonic`).
        acknowledged: by type, when its acknowledgement was written.
        responses: how many it got.
        received: how many bytes they had.
        failures: how many streams ended.
    """

    mesh: str
    name: str
    resource: dict[str, object]
    held: dict[str, dict[str, str]] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)
    acknowledged: dict[str, float] = field(default_factory=dict)
    responses: int = 0
    received: int = 0
    failures: int = 0

    @property
    def secrets(self) -> list[str]:
        """Names of the secrets that TLS of its mesh refers to."""
        return [names.OLD.identity_secret(self.mesh), names.OLD.authority_secret(self.mesh)]

    @property
    def eds_clusters(self) -> list[str]:
        """Clusters whose endpoints it asks for."""
        return sorted(
            n for n in self.held.get(types.CLUSTER, ()) if not n.startswith(("localhost:", "kuma:", "inbound"))
        )

    def complete(self, services: int) -> bool:
        """Whether it has endpoints of all services and the secrets to reach them."""
        counts = (len(self.held.get(types.ENDPOINT, ())), len(self.held.get(types.SECRET, ())))
        return counts == (services, len(self.secrets)) and types.LISTENER in self.held

    async def run(self, address: str, ca: bytes) -> None:
        """Connects and follows until cancelled; connects again after a while, as Envoy does, when that fails."""
        credentials, attempt = grpc.ssl_channel_credentials(ca), 0
        async with grpc.aio.secure_channel(address, credentials, options=OPTIONS) as channel:
            while True:
                with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    await self._follow(channel)
                self.failures += 1
                await asyncio.sleep(random.uniform(0, min(BACKOFF[0] * 2**attempt, BACKOFF[1])))
                attempt += 1

    async def _follow(self, channel: grpc.aio.Channel) -> None:
        call = channel.stream_stream(f"{SERVICE}/{self._method}")(metadata=(("authorization", "none"),))
        self._started()
        for request in self._first_requests():
            await call.write(request.SerializeToString())
        async for message in _messages(call):
            self.responses += 1
            self.received += len(message)
            await self._take(call, message)

    async def _take(self, call: grpc.aio.StreamStreamCall, message: bytes) -> None:
        now = time.monotonic()
        type_url, requests = self._answers(message)
        for request in requests:
            await call.write(request.SerializeToString())
        self.seen[type_url] = now
        self.acknowledged[type_url] = time.monotonic()

    @property
    @abstractmethod
    def _method(self) -> str:
        """Which variant of the protocol it speaks."""

    @abstractmethod
    def _started(self) -> None:
        """A new stream begins."""

    @abstractmethod
    def _first_requests(self) -> Iterable[Message]:
        """What it asks for when it connects."""

    @abstractmethod
    def _answers(self, message: bytes) -> tuple[str, Sequence[Message]]:
        """Takes a response in; returns its type and what to write, the acknowledgement first."""

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


class DeltaProxy(FakeProxy):
    """Speaks the incremental variant, and tells after a reconnect what it still has."""

    _method = "DeltaAggregatedResources"

    def _started(self) -> None:
        self._asked: dict[str, set[str]] = {}

    def _first_requests(self) -> Iterable[Message]:
        yield self._first(types.CLUSTER, node=self._node())
        yield self._first(types.LISTENER)
        for type_url in (types.ENDPOINT, types.SECRET):
            if kept := self.held.get(type_url):
                self._asked[type_url] = set(kept)
                yield self._first(type_url, resource_names_subscribe=sorted(kept))

    def _first(self, type_url: str, **fields: object) -> Message:
        return pb.DeltaDiscoveryRequest(
            type_url=type_url, initial_resource_versions=self.held.get(type_url, {}), **fields
        )

    def _answers(self, message: bytes) -> tuple[str, Sequence[Message]]:
        response = pb.DeltaDiscoveryResponse.FromString(message)
        type_url = response.type_url
        held = self.held.setdefault(type_url, {})
        held.update((resource.name, resource.version) for resource in response.resources)
        for name in response.removed_resources:
            held.pop(name, None)
        answers = [pb.DeltaDiscoveryRequest(type_url=type_url, response_nonce=response.nonce)]
        if type_url == types.CLUSTER:
            answers += self._subscriptions(types.ENDPOINT, self.eds_clusters)
            answers += self._subscriptions(types.SECRET, self.secrets)
        return type_url, answers

    def _subscriptions(self, type_url: str, wanted: list[str]) -> list[pb.DeltaDiscoveryRequest]:
        asked = self._asked.setdefault(type_url, set())
        fresh, gone = sorted(set(wanted) - asked), sorted(asked - set(wanted))
        if not fresh and not gone:
            return []
        self._asked[type_url] = set(wanted)
        return [
            pb.DeltaDiscoveryRequest(type_url=type_url, resource_names_subscribe=fresh, resource_names_unsubscribe=gone)
        ]


@dataclass(eq=False)
class SotwProxy(FakeProxy):
    """Speaks the state-of-the-world variant, and tells after a reconnect which versions it still has."""

    _method = "StreamAggregatedResources"

    _names: dict[str, list[str]] = field(default_factory=dict, init=False)
    _versions: dict[str, str] = field(default_factory=dict, init=False)

    def _started(self) -> None:
        self._nonces: dict[str, str] = {}

    def _first_requests(self) -> Iterable[Message]:
        first = self._request(types.CLUSTER)
        first.node.CopyFrom(self._node())
        return [first, *map(self._request, (types.LISTENER, *self._names))]

    def _answers(self, message: bytes) -> tuple[str, Sequence[Message]]:
        response = pb.DiscoveryResponse.FromString(message)
        type_url = response.type_url
        named = (_name(type_url, resource.value) for resource in response.resources)
        self.held[type_url] = dict.fromkeys(named, response.version_info)
        self._versions[type_url], self._nonces[type_url] = response.version_info, response.nonce
        answers = [self._request(type_url)]
        if type_url == types.CLUSTER:
            for dependent, wanted in ((types.ENDPOINT, self.eds_clusters), (types.SECRET, self.secrets)):
                if self._names.get(dependent) != wanted:
                    self._names[dependent] = wanted
                    answers.append(self._request(dependent))
        return type_url, answers

    def _request(self, type_url: str) -> pb.DiscoveryRequest:
        return pb.DiscoveryRequest(
            type_url=type_url,
            version_info=self._versions.get(type_url, ""),
            resource_names=self._names.get(type_url, ()),
            response_nonce=self._nonces.get(type_url, ""),
        )


def _name(type_url: str, body: bytes) -> str:
    """The first field of every resource type is its name; everything else is left undecoded."""
    size, at = 0, 1
    while True:
        size |= (body[at] & 0x7F) << 7 * (at - 1)
        at += 1
        if body[at - 1] < 0x80:
            return body[at : at + size].decode()


async def _messages(call: grpc.aio.StreamStreamCall) -> AsyncIterator[bytes]:
    while (message := await call.read()) is not grpc.aio.EOF:
        yield message


def fleet(count: int, services: int, make: Callable[..., FakeProxy], mesh: str = "default") -> list[FakeProxy]:
    """Proxies spread evenly over services, each of which may reach all services."""
    return [
        make(mesh, f"dp-{i}", dataplane(f"dp-{i}", _address(i), i % services, services, mesh)) for i in range(count)
    ]


def dataplane(name: str, address: str, service: int, reaches: int, mesh: str = "default") -> dict[str, object]:
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
            "outbound": [{"port": 10000 + s, "tags": {"kuma.io/service": f"svc-{s}"}} for s in range(reaches)],
        },
    }


def _address(index: int) -> str:
    return f"10.{index >> 16 & 255}.{index >> 8 & 255}.{index & 255}"
