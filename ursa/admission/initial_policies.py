"""The policies that every new mesh starts with, so that nothing waits for ever and nothing overloads silently.

Names and values are those of Kuma 2.13 (`spec/rest-api.md` §11): who knows those defaults finds them here too.
"""

from __future__ import annotations

from collections.abc import Iterator

from ursa.model.json import JsonObject
from ursa.model.mesh import parse_mesh
from ursa.model.resource import Resource

EVERYTHING = "*"
_MESH: JsonObject = {"kind": "Mesh"}


def initial_policies(mesh: Resource, *, routing: bool) -> Iterator[Resource]:
    """Policies of a new mesh, without those it asks to skip.

    Args:
        mesh: the new Mesh.
        routing: whether the legacy TrafficPermission and TrafficRoute are wanted too.
    """
    skipped = parse_mesh(mesh).skip_initial_policies
    if EVERYTHING in skipped:
        return
    for policy in _policies(mesh.name, routing=routing):
        if policy.kind not in skipped:
            yield policy


def _policies(mesh: str, *, routing: bool) -> Iterator[Resource]:
    yield Resource("MeshTimeout", mesh, f"mesh-timeout-all-{mesh}", _sidecar_timeouts())
    yield Resource("MeshTimeout", mesh, f"mesh-gateways-timeout-all-{mesh}", _gateway_timeouts())
    limits = {"maxConnections": 1024, "maxPendingRequests": 1024, "maxRetries": 3, "maxRequests": 1024}
    circuit = {"targetRef": _MESH, "to": [_to({"connectionLimits": limits})]}
    yield Resource("MeshCircuitBreaker", mesh, f"mesh-circuit-breaker-all-{mesh}", circuit)
    yield Resource("MeshRetry", mesh, f"mesh-retry-all-{mesh}", {"targetRef": _MESH, "to": [_to(_retries())]})
    if routing:
        anybody = {"match": {"kuma.io/service": "*"}}
        between: JsonObject = {"sources": [anybody], "destinations": [anybody]}
        yield Resource("TrafficPermission", mesh, f"allow-all-{mesh}", between)
        conf = {"loadBalancer": {"roundRobin": {}}, "destination": {"kuma.io/service": "*"}}
        yield Resource("TrafficRoute", mesh, f"route-all-{mesh}", {**between, "conf": conf})


def _to(default: JsonObject) -> JsonObject:
    return {"targetRef": _MESH, "default": default}


def _sidecar_timeouts() -> JsonObject:
    outbound = {
        "connectionTimeout": "5s",
        "idleTimeout": "1h0m0s",
        "http": {"requestTimeout": "15s", "streamIdleTimeout": "30m0s"},
    }
    inbound = {
        "connectionTimeout": "10s",
        "idleTimeout": "2h0m0s",
        "http": {"requestTimeout": "0s", "streamIdleTimeout": "1h0m0s", "maxStreamDuration": "0s"},
    }
    target = {"kind": "Mesh", "proxyTypes": ["Sidecar"]}
    return {"targetRef": target, "to": [_to(outbound)], "from": [_to(inbound)]}


def _gateway_timeouts() -> JsonObject:
    outbound = {"idleTimeout": "1h0m0s", "http": {"streamIdleTimeout": "5s"}}
    inbound = {"idleTimeout": "5m0s", "http": {"streamIdleTimeout": "5s", "requestHeadersTimeout": "500ms"}}
    target = {"kind": "Mesh", "proxyTypes": ["Gateway"]}
    return {"targetRef": target, "to": [_to(outbound)], "from": [_to(inbound)]}


def _retries() -> JsonObject:
    requests = {
        "numRetries": 5,
        "perTryTimeout": "16s",
        "backOff": {"baseInterval": "25ms", "maxInterval": "250ms"},
    }
    return {"tcp": {"maxConnectAttempt": 5}, "http": requests, "grpc": requests}
