"""Names, options and call metadata of the gRPC connection between a zone and the global (`spec/kds.md` §1, §2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from kds import features
from ursa.errors import ProtocolError
from ursa.model.json import JsonObject
from ursa.version import BASED_ON_KUMA

SYNC_SERVICE = "kuma.mesh.v1alpha1.KDSSyncService"
GLOBAL_SERVICE = "kuma.mesh.v1alpha1.GlobalKDSService"

DOWN = "GlobalToZoneSync"
UP = "ZoneToGlobalSync"
HEALTH = "HealthCheck"

CLIENT_ID = "client-id"
FEATURES = "features"
AUTHORIZATION = "authorization"
ELSEWHERE = "ursa-connect-elsewhere"
"""At the end of a stream: the zone should make a new connection, which may lead to another replica."""

Metadata: TypeAlias = Sequence[tuple[str, str]]
Options: TypeAlias = list[tuple[str, int | str]]


@dataclass(frozen=True, slots=True)
class Keepalive:
    """When a connection over which nothing comes is probed, and within which time it must answer; seconds.

    The defaults are those of Kuma and of the port between replicas. A client must not probe a Kuma server more often.
    """

    interval: float = 15.0
    timeout: float = 15.0

    @property
    def options(self) -> Options:
        """As options of gRPC."""
        return [
            ("grpc.keepalive_time_ms", round(self.interval * 1000)),
            ("grpc.keepalive_timeout_ms", round(self.timeout * 1000)),
            # Without this one gRPC waits a minute for the answer to a probe that was sent.
            ("grpc.http2.ping_timeout_ms", round(self.timeout * 1000)),
            ("grpc.keepalive_permit_without_calls", 1),
        ]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, according to the metadata of a call.

    Attributes:
        zone: name of the zone.
        features: abilities of the connection.
        token: bearer token, empty if there is none.
        peer: address of the connection; all streams of one zone's connection have the same.
    """

    zone: str
    features: frozenset[str]
    token: str
    peer: str


def read_caller(metadata: Iterable[tuple[str, str | bytes]], peer: str) -> Caller:
    """The caller of a stream; raises ProtocolError with Kuma's text when it does not say who it is."""
    pairs = [(key, value.decode(errors="replace") if isinstance(value, bytes) else value) for key, value in metadata]
    zone = next((value for key, value in pairs if key == CLIENT_ID), "")
    if not zone:
        raise ProtocolError('"client-id" is not present in metadata')
    tokens = [value for key, value in pairs if key == AUTHORIZATION]
    token = tokens[0].removeprefix("Bearer ") if len(tokens) == 1 else ""
    return Caller(zone, frozenset(value for key, value in pairs if key == FEATURES), token, peer)


def call_metadata(zone: str, token: str = "") -> Metadata:
    """What a zone says with every call."""
    pairs = [(CLIENT_ID, zone), ("kds-version", "v3"), ("version", BASED_ON_KUMA)]
    pairs += [(FEATURES, feature) for feature in features.OF_CALLS]
    if token:
        pairs.append((AUTHORIZATION, f"Bearer {token}"))
    return tuple(pairs)


def node_metadata(config: str, instance: str) -> JsonObject:
    """What the node of a requester's first request says about its control plane."""
    version = {"version": BASED_ON_KUMA, "gitTag": "unknown", "gitCommit": "unknown", "buildDate": "unknown"}
    return {
        "config": config,
        "control-plane-id": instance,
        "features": list(features.OF_NODE),
        "version": {"kumaCp": version},
    }


def client_options(max_message: int, keepalive: Keepalive) -> Options:
    """Options of a zone's channel."""
    return [
        *keepalive.options,
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_receive_message_length", max_message),
        ("grpc.max_send_message_length", max_message),
        # A second channel to the same address must be a new connection, not the broken one.
        ("grpc.use_local_subchannel_pool", 1),
    ]


def server_options(max_message: int, keepalive: Keepalive) -> Options:
    """Options of the global's server. Zones ping every 15 s; by default that counts as an attack."""
    return [
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.http2.max_ping_strikes", 0),
        *keepalive.options,
        ("grpc.max_receive_message_length", max_message),
        ("grpc.max_send_message_length", max_message),
        # Two control planes must not both believe that they serve the port.
        ("grpc.so_reuseport", 0),
    ]
